//! The key: what secrets are sealed and digested under. It lives outside the log; a backup of one
//! without the other tells nothing.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, Generate as _};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use fluvial_event::Digest;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::{Error, Result};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Thirty-two secret bytes, and one key derived from them for each purpose.
#[derive(Clone)]
pub struct Key {
    mac: [u8; KEY_BYTES],
    cipher: [u8; KEY_BYTES],
    nonce: [u8; KEY_BYTES],
    fingerprint: Digest,
}

impl Key {
    /// The key made of `secret`.
    pub fn from_bytes(secret: [u8; KEY_BYTES]) -> Self {
        let derive = |purpose: &str| hmac(&secret, purpose.as_bytes());
        Self {
            mac: derive("fluvial/1/mac"),
            cipher: derive("fluvial/1/cipher"),
            nonce: derive("fluvial/1/nonce"),
            fingerprint: Digest(derive("fluvial/1/fingerprint")),
        }
    }

    /// The key in the file `path`; where there is none, a new one is written there for its owner
    /// alone. A file that everyone may read is refused.
    pub fn open_or_create(path: &Path) -> Result<Self> {
        match Self::open_file(path) {
            Err(Error::NoKey { .. }) => Self::create(path),
            done => done,
        }
    }

    /// The key in the file `path`, which must be there.
    pub fn open_file(path: &Path) -> Result<Self> {
        let refuse = |why: String| Error::Key {
            path: path.display().to_string(),
            why,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NoKey {
                    path: path.display().to_string(),
                });
            }
            Err(error) => return Err(refuse(error.to_string())),
            Ok(file) => file,
        };
        let metadata = file.metadata().map_err(|error| refuse(error.to_string()))?;
        if metadata.permissions().mode() & 0o007 != 0 {
            return Err(refuse(
                "everyone on this machine may read it; make a new key, or chmod 600 if nobody did"
                    .to_owned(),
            ));
        }
        let mut secret = Vec::with_capacity(KEY_BYTES + 1);
        file.take(KEY_BYTES as u64 + 1)
            .read_to_end(&mut secret)
            .map_err(|error| refuse(error.to_string()))?;
        let secret = <[u8; KEY_BYTES]>::try_from(secret)
            .map_err(|_other| refuse("it is not 32 bytes long; restore it from a backup".into()))?;
        Ok(Self::from_bytes(secret))
    }

    /// Writes a new key. It appears under its name whole or not at all, so that a crash leaves no
    /// half of a key behind; and if another process was first, its key is the key.
    fn create(path: &Path) -> Result<Self> {
        let refuse = |error: std::io::Error| Error::Key {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        let secret = <[u8; KEY_BYTES]>::try_generate()
            .map_err(|error| refuse(std::io::Error::other(error)))?;
        let unfinished = path.with_extension(format!("unfinished-{}", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(refuse)?;
        file.write_all(&secret).map_err(refuse)?;
        file.sync_all().map_err(refuse)?;
        let linked = std::fs::hard_link(&unfinished, path);
        std::fs::remove_file(&unfinished).map_err(refuse)?;
        match linked {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => other.map_err(refuse)?,
        }
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))
            .and_then(|directory| directory.sync_all())
            .map_err(refuse)?;
        Self::open_file(path)
    }

    /// The keyed digest of `bytes`: equal for equal bytes, and of no use for guessing them without
    /// the key.
    pub fn mac(&self, bytes: &[u8]) -> Digest {
        Digest(hmac(&self.mac, bytes))
    }

    /// Tells this key from others without telling the key.
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Encrypts `bytes` and authenticates them. The nonce is taken from the bytes, so that the same
    /// bytes are sealed the same way: that they are equal is the one thing that shows.
    pub fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&hmac(&self.nonce, bytes)[..NONCE_BYTES]);
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), bytes)
            .expect("a slice in memory is far below the cipher's limit of 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// What [`Key::seal`] was given; `None` where that was under another key, or bytes were changed.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher().decrypt(&XNonce::from(*nonce), sealed).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.cipher.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn hmac(key: &[u8; KEY_BYTES], bytes: &[u8]) -> [u8; KEY_BYTES] {
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any size");
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::Key;
    use crate::Error;

    #[test]
    fn equal_bytes_are_sealed_equally_and_open_under_the_same_key_only() {
        let (key, other) = (Key::from_bytes([1; 32]), Key::from_bytes([2; 32]));
        for bytes in [&b""[..], b"secret", &[0; 10_000]] {
            let sealed = key.seal(bytes);
            assert_eq!(sealed, key.seal(bytes));
            assert_ne!(sealed, other.seal(bytes));
            assert_eq!(key.open(&sealed).as_deref(), Some(bytes));
            assert_eq!(other.open(&sealed), None);
            assert_ne!(key.mac(bytes), other.mac(bytes));
        }
        assert_ne!(key.seal(b"a")[..24], key.seal(b"b")[..24]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_sealed_bytes_is_found() {
        let key = Key::from_bytes([1; 32]);
        let sealed = key.seal(b"secret");
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&flipped), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open(&sealed[..length]), None, "cut at {length}");
        }
    }

    #[test]
    fn sealed_bytes_and_debug_output_do_not_show_what_they_hide() {
        let key = Key::from_bytes([7; 32]);
        assert!(!key.seal(b"hunter2").windows(7).any(|it| it == b"hunter2"));
        assert_eq!(format!("{key:?}"), "***");
    }

    #[test]
    fn a_new_key_is_for_its_owner_alone_and_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = Key::open_or_create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read(&path).unwrap().len(), 32);
        let again = Key::open_or_create(&path).unwrap();
        assert_eq!(again.fingerprint(), key.fingerprint());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_is_cut_long_or_open_to_everyone_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for (bytes, mode, good) in [
            (31, 0o600, false),
            (32, 0o600, true),
            (33, 0o600, false),
            (0, 0o600, false),
            (32, 0o640, true),
            (32, 0o604, false),
        ] {
            fs::write(&path, vec![1; bytes]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let result = Key::open_or_create(&path);
            assert_eq!(result.is_ok(), good, "{bytes} bytes, mode {mode:o}");
            assert!(good || matches!(result, Err(Error::Key { .. })));
        }
    }
}
