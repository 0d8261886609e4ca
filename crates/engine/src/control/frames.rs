//! Frames on a stream: four bytes of length, then JSON.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame that either side may send.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Capacity kept between frames: a full resync's are large, the deltas of a quiet day are not.
const KEPT: usize = 64 * 1024;

/// Reads frames into one buffer.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    bytes: Vec<u8>,
}

impl FrameReader {
    /// The next frame. Not to be dropped before it is ready: what was read of a frame would be lost.
    pub async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<&str> {
        let length = stream.read_u32().await? as usize;
        if length > MOST_BYTES {
            let problem = format!("a frame of {length} bytes; at most {MOST_BYTES} are allowed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        // Grows with what arrives: a length alone claims no memory.
        let read = stream
            .take(length as u64)
            .read_to_end(&mut self.bytes)
            .await?;
        if read < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        std::str::from_utf8(&self.bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a frame that is not UTF-8"))
    }
}

/// Writes one frame.
pub(super) async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    json: &serde_json::Value,
) -> io::Result<()> {
    let text = json.to_string();
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    let mut frame = Vec::with_capacity(4 + text.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(test)
    }

    #[test]
    fn frames_follow_each_other() {
        run(async {
            let mut wire = Vec::new();
            write_frame(&mut wire, &serde_json::json!({"type": "hello"}))
                .await
                .unwrap();
            write_frame(&mut wire, &serde_json::json!([]))
                .await
                .unwrap();
            assert_eq!(wire[..4], [0, 0, 0, 16]);
            let (mut reader, mut stream) = (FrameReader::default(), wire.as_slice());
            assert_eq!(
                reader.next(&mut stream).await.unwrap(),
                r#"{"type":"hello"}"#
            );
            assert_eq!(reader.next(&mut stream).await.unwrap(), "[]");
            assert!(reader.next(&mut stream).await.is_err());
        });
    }

    #[test]
    fn frames_too_long_cut_off_or_not_text_are_refused() {
        run(async {
            for wire in [
                &b"\xff\xff\xff\xff"[..],
                b"\0\0\0\x05abc",
                b"\0\0\0\x01\xff",
                b"\0\0",
            ] {
                assert!(FrameReader::default().next(&mut &wire[..]).await.is_err());
            }
        });
    }
}
