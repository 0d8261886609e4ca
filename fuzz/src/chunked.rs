//! A chunked body: it means the same however it is cut into pieces, and written anew it is read back.

use tollway_engine::proxy::chunked::ChunkedDecoder;
use tollway_engine::proxy::framing::{write_chunk_size, write_last_chunk};

#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    body: Vec<u8>,
    trailers: Vec<u8>,
    used: usize,
    done: bool,
}

fn decode(wire: &[u8], piece: usize) -> Option<Decoded> {
    let mut decoder = ChunkedDecoder::default();
    let (mut body, mut used) = (Vec::new(), 0);
    while used < wire.len() && !decoder.is_done() {
        let mut bytes = wire[used..wire.len().min(used + piece)].to_vec();
        let step = decoder.decode(&mut bytes).ok()?;
        assert!(step.produced <= step.consumed && step.consumed <= bytes.len());
        assert_eq!(step.done, decoder.is_done());
        body.extend_from_slice(&bytes[..step.produced]);
        used += step.consumed;
    }
    Some(Decoded {
        body,
        trailers: decoder.trailers().to_vec(),
        used,
        done: decoder.is_done(),
    })
}

/// # Panics
/// The engine does, or reads pieces otherwise than the whole.
pub fn run(data: &[u8]) {
    let Some((first, wire)) = data.split_first() else {
        return;
    };
    let whole = decode(wire, wire.len().max(1));
    assert_eq!(whole, decode(wire, 1 + usize::from(*first)), "in pieces");
    let Some(whole) = whole.filter(|whole| whole.done) else {
        return;
    };
    let mut anew = Vec::new();
    if !whole.body.is_empty() {
        write_chunk_size(whole.body.len(), &mut anew);
        anew.extend_from_slice(&whole.body);
        anew.extend_from_slice(b"\r\n");
    }
    write_last_chunk(&whole.trailers, &mut anew);
    let again = decode(&anew, anew.len());
    let wanted = Decoded {
        used: anew.len(),
        ..whole
    };
    assert_eq!(again, Some(wanted), "written anew");
}
