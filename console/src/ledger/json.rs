//! A `json` column, selected as text and parsed here.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::Pg;
use diesel::sql_types::Text;
use serde::Serialize;
use serde_json::Value;

/// One JSON document of the ledger's own making.
#[derive(Debug, Clone, Serialize, FromSqlRow)]
#[serde(transparent)]
pub(crate) struct JsonText(pub(crate) Value);

impl FromSql<Text, Pg> for JsonText {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_slice(bytes.as_bytes())?))
    }
}
