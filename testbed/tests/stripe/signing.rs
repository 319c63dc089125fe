//! Signatures by vectors of our own, made with `openssl dgst -sha256 -hmac`.

use std::time::Duration;

use testbed::stripe::signature_header;

use crate::support::{Sink, delivering, eventually, one};

const SECRET: &str = "whsec_vector";
const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

#[test]
fn one_secret_gives_the_known_mac() {
    assert_eq!(
        signature_header(&[SECRET], 1_700_000_000, BODY, false),
        "t=1700000000,v1=c6014fd4b390b4bc9c887a309c78277b7c4c562fbe61a9e713bfc5da054789da"
    );
}

#[test]
fn two_secrets_give_two_macs_newest_first() {
    assert_eq!(
        signature_header(&["whsec_newer", SECRET], 1_700_000_000, BODY, false),
        "t=1700000000,v1=e4622a9e125dafed90cfa00c02a9ad113821832f1bd3bd2b99ecd90c9f3e6f82,v1=c6014fd4b390b4bc9c887a309c78277b7c4c562fbe61a9e713bfc5da054789da"
    );
}

#[test]
fn bodies_that_are_not_text_are_signed_as_bytes() {
    assert_eq!(
        signature_header(&[SECRET], 1_700_000_000, &[0xff, 0x00, 0x0d, 0x0a], false),
        "t=1700000000,v1=70e41455d7604054603745a5303132ef2cfe829cd2e7a7a8333688e3ab92bc6e"
    );
}

#[test]
fn v0_comes_last_and_is_no_mac_of_the_secret() {
    let header = signature_header(&[SECRET], 1_700_000_000, BODY, true);
    let (v1, v0) = header.split_once(",v0=").unwrap();
    assert!(!v1.contains(v0) && v0.len() == 64, "{header}");
}

#[tokio::test]
async fn a_rolled_secret_signs_alone_once_the_old_one_has_died() {
    let sink = Sink::ok();
    let fake = delivering(&sink, 1);
    let send = |n: usize| {
        fake.create_bookings(&one(testbed::stripe::Story::Abandoned));
        let sink = &sink;
        async move {
            eventually("delivered", || sink.received().len() == n).await;
            sink.received().pop().unwrap()
        }
    };
    let by = |secret: &str, received: &crate::support::Received| {
        let (t, _) = received.parts();
        let header = signature_header(&[secret], t, &received.body, false);
        header.split_once(",v1=").unwrap().1.to_owned()
    };
    let old = send(1).await;
    assert_eq!(old.parts().1, [by(fake.first_secret(), &old)]);
    fake.roll_secret("whsec_second", Duration::from_secs(3_600));
    let both = send(2).await;
    assert_eq!(
        both.parts().1,
        [by("whsec_second", &both), by(fake.first_secret(), &both)]
    );
    fake.advance(Duration::from_secs(3_601));
    let new = send(3).await;
    assert_eq!(new.parts().1, [by("whsec_second", &new)]);
}
