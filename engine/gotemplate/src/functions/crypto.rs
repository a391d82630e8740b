//! Sums, passwords and ciphers. What costs much is counted ([`crate::Limits::keys`]).

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::NoPadding};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::encode::from_base64;
use super::{Function, Outcome, bytes, int, str};
use crate::Execution;
use crate::error::Error;
use crate::value::{Type, Value};

const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("adler32sum", &[T], |_, values| {
        let (low, high) = bytes(&values[0])
            .iter()
            .fold((1_u32, 0_u32), |(low, high), byte| {
                let low = (low + u32::from(*byte)) % 65_521;
                (low, (high + low) % 65_521)
            });
        Ok(Value::text((high << 16 | low).to_string()))
    }),
    Function::new("bcrypt", &[T], |execution, values| {
        bcrypted(execution, &bytes(&values[0])).map(Value::text)
    }),
    Function::new("decryptAES", &[T, T], decrypt),
    Function::new("derivePassword", &[Type::Uint32, T, T, T, T], derive),
    Function::new("encryptAES", &[T, T], encrypt),
    Function::new("htpasswd", &[T, T], |execution, values| {
        let user = str(&values[0]);
        if user.contains(':') {
            return Ok(Value::text(format!("invalid username: {user}")));
        }
        let hash = bcrypted(execution, &bytes(&values[1]))?;
        Ok(Value::text(format!("{user}:{hash}")))
    }),
    Function::new("sha1sum", &[T], |_, values| {
        Ok(Value::text(hex(&Sha1::digest(bytes(&values[0])))))
    }),
    Function::new("sha256sum", &[T], |_, values| {
        Ok(Value::text(hex(&Sha256::digest(bytes(&values[0])))))
    }),
    Function::new("sha512sum", &[T], |_, values| {
        Ok(Value::text(hex(&Sha512::digest(bytes(&values[0])))))
    }),
];

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Go's default.
const BCRYPT_COST: u32 = 10;

fn bcrypted(execution: &mut Execution<'_>, password: &[u8]) -> Result<String, Error> {
    execution.meter.key()?;
    if password.len() > 72 {
        const WHY: &str = "bcrypt: password length exceeds 72 bytes";
        return Ok(format!("failed to encrypt string with bcrypt: {WHY}"));
    }
    let salt: [u8; 16] = std::array::from_fn(|_| execution.random.byte());
    let parts = bcrypt::hash_with_salt(password, BCRYPT_COST, salt)
        .map_err(|error| Error::plain(format!("failed to encrypt string with bcrypt: {error}")))?;
    Ok(parts.format_for_version(bcrypt::Version::TwoA))
}

const BLOCK: usize = 16;

/// The password itself, cut or filled with zeros, is the key: as sprig has it.
fn key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    key
}

fn encrypt(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let mut text = bytes(&values[1]).into_owned();
    if text.is_empty() {
        return Ok(Value::text(""));
    }
    execution.meter.text(text.len() * 2)?;
    let padding = BLOCK - text.len() % BLOCK;
    text.extend(std::iter::repeat_n(
        u8::try_from(padding).unwrap_or_default(),
        padding,
    ));
    let start: [u8; BLOCK] = std::array::from_fn(|_| execution.random.byte());
    let length = text.len();
    let cipher = cbc::Encryptor::<Aes256>::new(&key(&bytes(&values[0])).into(), &start.into());
    cipher
        .encrypt_padded::<NoPadding>(&mut text, length)
        .map_err(|error| Error::plain(format!("crypto/cipher: {error}")))?;
    Ok(Value::text(STANDARD.encode([&start[..], &text].concat())))
}

fn decrypt(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let text = bytes(&values[1]);
    if text.is_empty() {
        return Ok(Value::text(""));
    }
    let crypt = from_base64(&text).map_err(Error::plain)?;
    let Some((start, crypt)) = crypt.split_first_chunk::<BLOCK>() else {
        let length = crypt.len();
        return Err(Error::plain(format!(
            "runtime error: slice bounds out of range [:{BLOCK}] with capacity {length}"
        )));
    };
    let mut crypt = crypt.to_vec();
    if crypt.len() % BLOCK != 0 {
        return Err(Error::plain("crypto/cipher: input not full blocks"));
    }
    let cipher = cbc::Decryptor::<Aes256>::new(&key(&bytes(&values[0])).into(), start.into());
    let plain = cipher
        .decrypt_padded::<NoPadding>(&mut crypt)
        .map_err(|error| Error::plain(format!("crypto/cipher: {error}")))?;
    let Some(padding) = plain.last().map(|&last| usize::from(last)) else {
        return Err(Error::plain("runtime error: index out of range [-1]"));
    };
    if let Some(length) = plain.len().checked_sub(padding) {
        Ok(Value::text(&plain[..length]))
    } else {
        let length =
            i64::try_from(plain.len()).unwrap_or(i64::MAX) - i64::try_from(padding).unwrap_or(0);
        Err(Error::plain(format!(
            "runtime error: slice bounds out of range [:{length}]"
        )))
    }
}

/// The shapes of derived passwords, by kind.
fn shapes(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn letters(kind: char) -> &'static [u8] {
    match kind {
        'V' => b"AEIOU",
        'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        'v' => b"aeiou",
        'c' => b"bcdfghjklmnpqrstvwxyz",
        'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        'n' => b"0123456789",
        'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The Master Password algorithm, as sprig has it.
fn derive(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    const SEED: &[u8] = b"com.lyndir.masterpassword";
    let kind = str(&values[1]);
    let Some(shapes) = shapes(&kind) else {
        return Ok(Value::text(format!("cannot find password template {kind}")));
    };
    execution.meter.key()?;
    let counter = u32::try_from(int(&values[0])).unwrap_or_default();
    let [password, user, site] = [2, 3, 4].map(|index| bytes(&values[index]));
    let counted = |text: &[u8]| {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        [SEED, &length.to_be_bytes(), text].concat()
    };
    let cost = scrypt::Params::new(15, 8, 2).map_err(|error| Error::plain(error.to_string()))?;
    let mut key = [0; 64];
    scrypt::scrypt(&password, &counted(&user), &cost, &mut key)
        .map_err(|error| Error::plain(format!("failed to derive password: {error}")))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)
        .map_err(|error| Error::plain(format!("failed to derive password: {error}")))?;
    mac.update(&counted(&site));
    mac.update(&counter.to_be_bytes());
    let seed = mac.finalize().into_bytes();
    let shape = shapes[usize::from(seed[0]) % shapes.len()];
    let derived = shape.chars().zip(&seed[1..]).map(|(kind, &drawn)| {
        let from = letters(kind);
        from[usize::from(drawn) % from.len()]
    });
    Ok(Value::text(derived.collect::<Vec<u8>>()))
}
