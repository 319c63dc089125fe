//! A libpq URL with another database or role.

/// `url` with `database`, and with `user` (without a password) if one is given.
#[must_use]
pub fn with(url: &str, user: Option<&str>, database: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, format!("?{query}")),
        None => (rest, String::new()),
    };
    let authority = rest
        .split_once('/')
        .map_or(rest, |(authority, _)| authority);
    let (present, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = user.unwrap_or(present);
    let at = if user.is_empty() { "" } else { "@" };
    format!("{scheme}://{user}{at}{host}/{database}{query}")
}

/// The name of the database in `url`; empty when there is none.
#[must_use]
pub fn database(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    rest.split_once('/').map_or("", |(_, database)| database)
}

#[cfg(test)]
mod tests {
    use super::{database, with};

    #[test]
    fn another_role_and_database_keep_the_server_and_its_settings() {
        let url = "postgres://me:secret@db:5433/postgres?sslmode=require";
        assert_eq!(
            with(url, Some("reader"), "t1"),
            "postgres://reader@db:5433/t1?sslmode=require"
        );
        assert_eq!(
            with(url, None, "t1"),
            "postgres://me:secret@db:5433/t1?sslmode=require"
        );
        assert_eq!(with("postgres://db", None, "t1"), "postgres://db/t1");
        assert_eq!(database(url), "postgres");
    }
}
