//! HMAC-SHA256 written out (RFC 2104), so that a wrong use of the library that we sign and verify
//! with cannot hide behind itself; and the signature that Stripe makes with it.

use sha2::{Digest, Sha256};

const BLOCK: usize = 64;

/// The MAC of `message` by `key`.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

/// Hex digits of `v1` over `t`, a dot and the body.
pub(crate) fn v1(secret: &[u8], t: &[u8], body: &[u8]) -> String {
    hex::encode(hmac_sha256(secret, &[t, b".", body].concat()))
}

#[test]
fn the_reference_makes_the_macs_of_rfc_4231() {
    assert_eq!(
        hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    let long = hmac_sha256(
        &[0xaa; 131],
        b"Test Using Larger Than Block-Size Key - Hash Key First",
    );
    assert_eq!(
        hex::encode(long),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}
