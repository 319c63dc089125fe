//! Requests that two readers may see differently: one sees the marker request inside a body, the
//! other a request of its own behind it.

/// One of them.
pub(crate) struct Vector {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// A POST with these header lines (each with its end) and this body.
fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// `body` as one chunk, its size written so.
fn chunk(size: &str, body: &[u8]) -> Vec<u8> {
    [size.as_bytes(), b"\r\n", body, b"\r\n0\r\n\r\n"].concat()
}

/// The vectors for a marker that is hidden in each.
pub(crate) fn vectors(marker: &[u8]) -> Vec<Vector> {
    let mut all = by_transfer_encoding(marker);
    all.extend(by_many_encodings(marker));
    all.extend(by_length(marker));
    all.extend(by_odd_length(marker));
    all.extend(by_chunks(marker));
    all.extend(by_lines(marker));
    all.extend(by_unread_bodies(marker));
    all
}

fn named(rows: Vec<(&'static str, Vec<u8>)>) -> Vec<Vector> {
    let rows = rows.into_iter();
    rows.map(|(name, bytes)| Vector { name, bytes }).collect()
}

fn by_transfer_encoding(marker: &[u8]) -> Vec<Vector> {
    let ended = [b"0\r\n\r\n", marker].concat();
    let n = ended.len();
    let as_chunk = chunk(&format!("{:x}", marker.len()), marker);
    let te = |value: &str| {
        post(
            &format!("Transfer-Encoding:{value}\r\nContent-Length: {n}\r\n"),
            &ended,
        )
    };
    named(vec![
        (
            "both lengths, chunked second",
            post(
                &format!("Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n"),
                &ended,
            ),
        ),
        ("both lengths, chunked first", te(" chunked")),
        (
            "both lengths, the length cuts a chunk",
            post(
                "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                &as_chunk,
            ),
        ),
        ("an encoding that nobody knows", te(" xchunked")),
        ("chunked before another", te(" chunked, identity")),
        ("another before chunked", te(" identity, chunked")),
        ("chunked twice in one", te(" chunked, chunked")),
        ("chunked in capitals", te(" CHUNKED")),
        ("chunked with a parameter", te(" chunked;q=1")),
        ("chunked in quotes", te(" \"chunked\"")),
        ("chunked behind a tab", te("\tchunked")),
        ("chunked behind a vertical tab", te("\u{b}chunked")),
        ("chunked before a NUL", te(" chunked\0")),
    ])
}

fn by_many_encodings(marker: &[u8]) -> Vec<Vector> {
    let ended = [b"0\r\n\r\n", marker].concat();
    let n = ended.len();
    let both = format!("Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n");
    named(vec![
        (
            "two encodings",
            post(
                &format!(
                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\nContent-Length: {n}\r\n"
                ),
                &ended,
            ),
        ),
        (
            "two encodings, chunked last",
            post(
                &format!(
                    "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\nContent-Length: {n}\r\n"
                ),
                &ended,
            ),
        ),
        (
            "an encoding and no length",
            post("Transfer-Encoding: xchunked\r\n", &ended),
        ),
        (
            "space before the encoding's colon",
            post(
                &format!("Transfer-Encoding : chunked\r\nContent-Length: {n}\r\n"),
                &ended,
            ),
        ),
        (
            "chunked in HTTP/1.0",
            replaced(post(&both, &ended), "HTTP/1.1", "HTTP/1.0"),
        ),
        (
            "chunked in HTTP/1.0 without a length",
            replaced(
                post("Transfer-Encoding: chunked\r\n", &ended),
                "HTTP/1.1",
                "HTTP/1.0",
            ),
        ),
    ])
}

fn by_length(marker: &[u8]) -> Vec<Vector> {
    let n = marker.len();
    let cl = |lines: String| post(&lines, marker);
    named(vec![
        (
            "two lengths, none first",
            cl(format!("Content-Length: 0\r\nContent-Length: {n}\r\n")),
        ),
        (
            "two lengths, none last",
            cl(format!("Content-Length: {n}\r\nContent-Length: 0\r\n")),
        ),
        (
            "two lengths in one",
            cl(format!("Content-Length: 0, {n}\r\n")),
        ),
        (
            "the same length twice",
            cl(format!("Content-Length: {n}\r\nContent-Length: {n}\r\n")),
        ),
        (
            "a length with a plus",
            cl(format!("Content-Length: +{n}\r\n")),
        ),
        (
            "a length with a minus",
            cl(format!("Content-Length: -{n}\r\n")),
        ),
        (
            "a length in hex",
            cl(format!("Content-Length: 0x{n:x}\r\n")),
        ),
        (
            "a length with a fraction",
            cl(format!("Content-Length: {n}.0\r\n")),
        ),
        (
            "a length with an exponent",
            cl(format!("Content-Length: {n}e0\r\n")),
        ),
        (
            "a length with a space in it",
            cl(format!("Content-Length: 0 {n}\r\n")),
        ),
    ])
}

fn by_odd_length(marker: &[u8]) -> Vec<Vector> {
    let n = marker.len();
    let cl = |lines: String| post(&lines, marker);
    named(vec![
        ("an empty length", cl("Content-Length:\r\n".to_owned())),
        (
            "a length in quotes",
            cl(format!("Content-Length: \"{n}\"\r\n")),
        ),
        (
            "a length beyond 64 bits",
            cl(format!(
                "Content-Length: 1844674407370955{:04}\r\n",
                1616 + n
            )),
        ),
        (
            "space before the length's colon",
            cl(format!("Content-Length : {n}\r\n")),
        ),
        (
            "a tab before the length's colon",
            cl(format!("Content-Length\t: {n}\r\n")),
        ),
        (
            "a NUL in the length's name",
            cl(format!("Content-Length\0: {n}\r\n")),
        ),
        (
            "no length with an underscore",
            cl(format!("Content_Length: 0\r\nContent-Length: {n}\r\n")),
        ),
    ])
}

fn by_chunks(marker: &[u8]) -> Vec<Vector> {
    let n = marker.len();
    let te = "Transfer-Encoding: chunked\r\n";
    let sized = |size: String| post(te, &chunk(&size, marker));
    let after_last = [b"0\r\nX: ", marker].concat();
    let bare = [format!("{n:x}\n").as_bytes(), marker, b"\n0\n\n"].concat();
    let hidden = [
        format!("2;\nxx\r\n{n:x}\r\n").as_bytes(),
        marker,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let spilt = [
        format!("{:x}\r\n", n - 2).as_bytes(),
        marker,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    named(vec![
        (
            "a chunk's size with an extension",
            sized(format!("{n:x};a=b")),
        ),
        (
            "a chunk's size with a quoted line end",
            sized(format!("{n:x};a=\"\n\"")),
        ),
        (
            "an extension that ends at a bare line feed",
            post(te, &hidden),
        ),
        ("a chunk's size in hex notation", sized(format!("0x{n:x}"))),
        ("a chunk's size with a plus", sized(format!("+{n:x}"))),
        ("a chunk's size with a minus", sized(format!("-{n:x}"))),
        (
            "a chunk's size with a space before",
            sized(format!(" {n:x}")),
        ),
        (
            "a chunk's size with a space in it",
            sized(format!("{n:x} 0")),
        ),
        ("a chunk's size beyond 64 bits", sized(format!("1{n:016x}"))),
        ("an empty chunk's size", sized(String::new())),
        ("chunks that end at bare line feeds", post(te, &bare)),
        ("a chunk longer than its size", post(te, &spilt)),
        ("a marker in the trailers", post(te, &after_last)),
    ])
}

fn by_lines(marker: &[u8]) -> Vec<Vector> {
    let n = marker.len();
    let cl = format!("Content-Length: {n}\r\n");
    let bare = replaced(post(&cl, b""), "\r\n", "\n");
    named(vec![
        ("bare line feeds", [bare, marker.to_vec()].concat()),
        (
            "a bare line feed that hides the length",
            post(&format!("X: 1\nContent-Length: {n}\r\n"), marker),
        ),
        (
            "a bare carriage return that hides the length",
            post(&format!("X: 1\rContent-Length: {n}\r\n"), marker),
        ),
        (
            "a folded length",
            post(&format!("Content-Length:\r\n {n}\r\n"), marker),
        ),
        (
            "a folded encoding",
            post(
                "Transfer-Encoding:\r\n chunked\r\n",
                &[b"0\r\n\r\n", marker].concat(),
            ),
        ),
        (
            "a length folded into another header",
            post(&format!("X: 1\r\n Content-Length: {n}\r\n"), marker),
        ),
        (
            "a first header that begins with a space",
            replaced(post(&cl, marker), "\r\nHost:", "\r\n Host:"),
        ),
        (
            "a header without a colon",
            post(&format!("nonsense\r\n{cl}"), marker),
        ),
        (
            "a header without a name",
            post(&format!(": 1\r\n{cl}"), marker),
        ),
        ("no version", [b"GET /\r\n", marker].concat()),
        (
            "version 2",
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", marker].concat(),
        ),
        (
            "a request line of its own in the path",
            replaced(
                post(&cl, marker),
                "/webhooks/stripe HTTP/1.1",
                "/x HTTP/1.1 HTTP/1.1",
            ),
        ),
        ("two Hosts", post(&format!("Host: other\r\n{cl}"), marker)),
    ])
}

/// Answered before the body is read, so that its rest must not be taken for a request.
fn by_unread_bodies(marker: &[u8]) -> Vec<Vector> {
    let n = marker.len();
    let cl = format!("Content-Length: {n}\r\n");
    let plain = post(&cl, marker);
    let large = [vec![b'x'; 1_000], marker.to_vec()].concat();
    named(vec![
        (
            "a GET with a body",
            replaced(
                plain.clone(),
                "POST /webhooks/stripe",
                "GET /webhooks/stripe",
            ),
        ),
        (
            "a TRACE with a body",
            replaced(
                plain.clone(),
                "POST /webhooks/stripe",
                "TRACE /webhooks/stripe",
            ),
        ),
        (
            "another path with a body",
            replaced(plain.clone(), "POST /webhooks/stripe", "POST /elsewhere"),
        ),
        (
            "a body announced as too large",
            post("Content-Length: 99999999\r\n", &large),
        ),
        (
            "a body that waits to be asked for",
            post(&format!("Expect: 100-continue\r\n{cl}"), marker),
        ),
        (
            "an upgrade",
            post(
                &format!(
                    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n{cl}"
                ),
                marker,
            ),
        ),
        (
            "an upgrade to a socket",
            post(
                &format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{cl}"),
                marker,
            ),
        ),
        (
            "a CONNECT",
            replaced(plain, "POST /webhooks/stripe", "CONNECT localhost:80"),
        ),
    ])
}

/// The first line's or all head's text replaced; the bytes are text.
fn replaced(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes).expect("text");
    if from == "\r\n" {
        return text.replace(from, to).into_bytes();
    }
    text.replacen(from, to, 1).into_bytes()
}
