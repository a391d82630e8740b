//! Keys and certificates as sprig makes them: RSA, signed with SHA-256, in Go's order of parts.
//! They are drawn from the seed and dated by the clock that the run was given, so that the same run
//! gives the same bytes; each counts against [`crate::Limits::keys`].

mod der;
mod rsa;

use core::net::IpAddr;
use std::rc::Rc;

use num_bigint::BigUint;
use sha2::{Digest, Sha256};

use self::der::{OCTETS, Reader, SEQUENCE, bits, identifier, sequence, tagged};
use self::rsa::Key;
use super::encode::from_base64;
use super::{Function, Outcome, bytes, int, str};
use crate::Execution;
use crate::error::Error;
use crate::format::print;
use crate::time::{self, Time};
use crate::value::{Object, Type, Value};

const T: Type = Type::Text;
const I: Type = Type::Int;
const L: Type = Type::List;
const C: Type = Type::Certificate;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("buildCustomCert", &[T, T], build_custom),
    Function::new("genCA", &[T, I], |execution, values| {
        let key = generated(execution)?;
        authority(execution, values, &key)
    }),
    Function::new("genCAWithKey", &[T, I, T], |execution, values| {
        let key = given(&values[2])?;
        authority(execution, values, &key)
    }),
    Function::new("genPrivateKey", &[T], private_key),
    Function::new("genSelfSignedCert", &[T, L, L, I], |execution, values| {
        let key = generated(execution)?;
        self_signed(execution, values, &key)
    }),
    Function::new(
        "genSelfSignedCertWithKey",
        &[T, L, L, I, T],
        |execution, values| {
            let key = given(&values[4])?;
            self_signed(execution, values, &key)
        },
    ),
    Function::new("genSignedCert", &[T, L, L, I, C], |execution, values| {
        let key = generated(execution)?;
        signed(execution, values, &key)
    }),
    Function::new(
        "genSignedCertWithKey",
        &[T, L, L, I, C, T],
        |execution, values| {
            let key = given(&values[5])?;
            signed(execution, values, &key)
        },
    ),
];

/// A certificate and its key, as PEM.
struct Certificate {
    certificate: String,
    key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> String {
        "sprig.certificate".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Cert", Value::text(&*self.certificate)),
            ("Key", Value::text(&*self.key)),
        ]
    }
}

fn made(certificate: String, key: String) -> Value {
    Value::Object(Rc::new(Certificate { certificate, key }))
}

fn generated(execution: &mut Execution<'_>) -> Result<Key, Error> {
    execution.meter.key()?;
    Ok(Key::generate(&mut execution.random, 2048))
}

fn given(pem: &Value) -> Result<Key, Error> {
    read_key(&str(pem)).map_err(|error| Error::plain(format!("parsing private key: {error}")))
}

/// RSA, in the forms of PKCS #1 and PKCS #8.
fn read_key(pem: &str) -> Result<Key, String> {
    let (kind, bytes) = der::from_pem(pem).ok_or("no PEM data in input")?;
    match &*kind {
        "RSA PRIVATE KEY" => Key::parse(&bytes)
            .ok_or("parsing RSA private key from PEM: asn1: structure error".into()),
        "PRIVATE KEY" => {
            let inner = || {
                let mut parts = Reader(Reader(&bytes).expect(SEQUENCE)?.content);
                parts.number()?;
                parts.expect(SEQUENCE)?;
                Key::parse(parts.expect(OCTETS)?.content)
            };
            inner().ok_or("decoding PEM as PKCS#8: this is no RSA key; use one".into())
        }
        kind if kind.ends_with(" PRIVATE KEY") => Err(format!(
            "invalid private key type {kind}: only RSA keys sign here; use one"
        )),
        kind => Err(format!("no private key data in PEM block of type {kind}")),
    }
}

fn private_key(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let kind = str(&values[0]);
    match &*kind {
        "" | "rsa" => {
            // One of twice the length takes as long as many.
            for _ in 0..8 {
                execution.meter.key()?;
            }
            let key = Key::generate(&mut execution.random, 4096);
            Ok(Value::text(der::pem("RSA PRIVATE KEY", &key.to_der())))
        }
        "ed25519" => {
            execution.meter.key()?;
            let secret = tagged(OCTETS, &tagged(OCTETS, &execution.random.bytes(32)));
            let algorithm = sequence(&[identifier(&[0x2b, 0x65, 0x70])]);
            let key = sequence(&[der::integer(&BigUint::default()), algorithm, secret]);
            Ok(Value::text(der::pem("PRIVATE KEY", &key)))
        }
        "dsa" | "ecdsa" => Err(Error::plain(format!(
            "cannot make a key of type {kind}: Fluvial makes rsa and ed25519; use one of these"
        ))),
        other => Ok(Value::text(format!("Unknown type {other}"))),
    }
}

fn build_custom(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let decode = |value: &Value, what: &str| {
        let decoded = from_base64(&bytes(value));
        decoded.map_err(|_error| Error::plain(format!("unable to decode base64 {what}")))
    };
    let certificate = decode(&values[0], "certificate")?;
    let key = decode(&values[1], "private key")?;
    let [certificate, key] =
        [certificate, key].map(|text| String::from_utf8_lossy(&text).into_owned());
    let Some((_, encoded)) = der::from_pem(&certificate) else {
        return Err(Error::plain("unable to decode certificate"));
    };
    if Issuer::parse(&encoded).is_none() {
        return Err(Error::plain(
            "error parsing certificate: decodedCert.Bytes: x509: malformed certificate",
        ));
    }
    match der::from_pem(&key) {
        None => Err(Error::plain(
            "error parsing private key: no PEM data in input",
        )),
        Some((kind, _)) if !kind.ends_with("PRIVATE KEY") => Err(Error::plain(format!(
            "error parsing private key: no private key data in PEM block of type {kind}"
        ))),
        Some(_) => Ok(made(certificate, key)),
    }
}

/// What one certificate says.
struct Request<'r> {
    subject: Vec<u8>,
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    days: i64,
    authority: bool,
    key: &'r Key,
}

/// Who signs: the name, and the id of its key.
struct Issuer {
    name: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

impl Issuer {
    /// The subject of a certificate.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let certificate = Reader(bytes).expect(SEQUENCE)?;
        let mut parts = Reader(Reader(certificate.content).expect(SEQUENCE)?.content);
        let first = parts.next()?;
        if first.tag == 0xa0 {
            parts.next()?;
        }
        // The algorithm, the issuer and the validity.
        for _ in 0..3 {
            parts.expect(SEQUENCE)?;
        }
        let name = parts.expect(SEQUENCE)?.whole.to_vec();
        parts.expect(SEQUENCE)?;
        let mut key_id = None;
        while let Some(part) = parts.next() {
            if part.tag == 0xa3 {
                let mut extensions = Reader(Reader(part.content).expect(SEQUENCE)?.content);
                while let Some(extension) = extensions.next() {
                    let mut fields = Reader(extension.content);
                    if fields.expect(der::IDENTIFIER)?.content == [0x55, 0x1d, 14] {
                        let value = fields.expect(OCTETS)?.content;
                        key_id = Some(Reader(value).expect(OCTETS)?.content.to_vec());
                    }
                }
            }
        }
        Some(Self { name, key_id })
    }
}

fn authority(execution: &mut Execution<'_>, values: &[Value], key: &Key) -> Outcome {
    let request = Request {
        subject: common_name(&str(&values[0])),
        names: Vec::new(),
        addresses: Vec::new(),
        days: int(&values[1]),
        authority: true,
        key,
    };
    issue_to_itself(execution, &request)
}

fn self_signed(execution: &mut Execution<'_>, values: &[Value], key: &Key) -> Outcome {
    let request = requested(values, key)?;
    issue_to_itself(execution, &request)
}

fn issue_to_itself(execution: &mut Execution<'_>, request: &Request<'_>) -> Outcome {
    let issuer = Issuer {
        name: request.subject.clone(),
        key_id: None,
    };
    Ok(issue(execution, request, &issuer, request.key))
}

fn signed(execution: &mut Execution<'_>, values: &[Value], key: &Key) -> Outcome {
    let Value::Object(authority) = &values[4] else {
        return Err(Error::plain("unable to decode certificate"));
    };
    let field = |name: &str| {
        authority
            .field(name)
            .map_or_else(String::new, |value| print(&value))
    };
    let Some((_, encoded)) = der::from_pem(&field("Cert")) else {
        return Err(Error::plain("unable to decode certificate"));
    };
    let Some(issuer) = Issuer::parse(&encoded) else {
        return Err(Error::plain(
            "error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate",
        ));
    };
    let signer = read_key(&field("Key"))
        .map_err(|error| Error::plain(format!("error parsing private key: {error}")))?;
    let request = requested(values, key)?;
    Ok(issue(execution, &request, &issuer, &signer))
}

fn requested<'r>(values: &[Value], key: &'r Key) -> Result<Request<'r>, Error> {
    let items = |value: &Value| match value {
        Value::List(list) => list.to_vec(),
        _ => Vec::new(),
    };
    let mut addresses = Vec::new();
    for address in items(&values[1]) {
        let Value::Text(text) = &address else {
            let said = print(&address);
            return Err(Error::plain(format!(
                "error parsing ip: {said} is not a string"
            )));
        };
        let text = text.to_str();
        let parsed = text
            .parse()
            .map_err(|_error| format!("error parsing ip: {text}"));
        addresses.push(parsed?);
    }
    let mut names = Vec::new();
    for name in items(&values[2]) {
        let Value::Text(text) = &name else {
            let said = print(&name);
            return Err(Error::plain(format!(
                "error processing alternate dns name: {said} is not a string"
            )));
        };
        names.push(text.to_str().into_owned());
    }
    Ok(Request {
        subject: common_name(&str(&values[0])),
        names,
        addresses,
        days: int(&values[3]),
        authority: false,
        key,
    })
}

/// A name with nothing but its `CN`.
fn common_name(name: &str) -> Vec<u8> {
    if name.is_empty() {
        return sequence(&[]);
    }
    let printable = |each: char| each.is_ascii_alphanumeric() || " '()+,-./:=?".contains(each);
    let tag = if name.chars().all(printable) {
        der::PRINTABLE
    } else {
        der::UTF8
    };
    let attribute = sequence(&[identifier(&[0x55, 4, 3]), tagged(tag, name.as_bytes())]);
    sequence(&[tagged(der::SET, &attribute)])
}

fn issue(
    execution: &mut Execution<'_>,
    request: &Request<'_>,
    issuer: &Issuer,
    signer: &Key,
) -> Value {
    let algorithm = || sequence(&[identifier(rsa::SHA256_RSA), tagged(der::NULL, &[])]);
    let serial = BigUint::from_bytes_be(&execution.random.bytes(16));
    let from = execution.now.utc();
    let until = from.add(0);
    let until = Time {
        seconds: until
            .seconds
            .saturating_add(request.days.clamp(-36_500, 365_000) * 86_400),
        ..until
    };
    let key_algorithm = sequence(&[identifier(rsa::RSA), tagged(der::NULL, &[])]);
    let parts = sequence(&[
        tagged(0xa0, &der::integer(&BigUint::from(2_u8))),
        der::integer(&serial),
        algorithm(),
        issuer.name.clone(),
        sequence(&[moment(&from), moment(&until)]),
        request.subject.clone(),
        sequence(&[key_algorithm, bits(&request.key.public())]),
        tagged(0xa3, &sequence(&extensions(request, issuer))),
    ]);
    let signature = signer.sign(&parts);
    let certificate = sequence(&[parts, algorithm(), bits(&signature)]);
    made(
        der::pem("CERTIFICATE", &certificate),
        der::pem("RSA PRIVATE KEY", &request.key.to_der()),
    )
}

fn moment(time: &Time) -> Vec<u8> {
    let year = time.civil().year;
    if (1950..2050).contains(&year) {
        return tagged(
            der::UTC_TIME,
            time::format(time, "060102150405Z").as_bytes(),
        );
    }
    tagged(der::TIME, time::format(time, "20060102150405Z").as_bytes())
}

/// In Go's order: usage, extended usage, constraints, key ids, other names.
fn extensions(request: &Request<'_>, issuer: &Issuer) -> Vec<Vec<u8>> {
    const CRITICAL: &[u8] = &[1, 1, 0xff];
    let extension = |id: u8, critical: bool, value: &[u8]| {
        let critical = if critical { CRITICAL } else { &[] };
        sequence(&[
            identifier(&[0x55, 0x1d, id]),
            critical.to_vec(),
            tagged(OCTETS, value),
        ])
    };
    // Signatures and key encipherment; an authority signs certificates too.
    let usage: &[u8] = if request.authority {
        &[2, 0xa4]
    } else {
        &[5, 0xa0]
    };
    let purposes = [1, 2].map(|purpose| identifier(&[0x2b, 6, 1, 5, 5, 7, 3, purpose]));
    let constraints = if request.authority {
        CRITICAL.to_vec()
    } else {
        Vec::new()
    };
    let mut all = vec![
        extension(15, true, &tagged(der::BITS, usage)),
        extension(37, false, &sequence(&purposes)),
        extension(19, true, &tagged(SEQUENCE, &constraints)),
    ];
    if request.authority {
        let id = &Sha256::digest(request.key.public())[..20];
        all.push(extension(14, false, &tagged(OCTETS, id)));
    }
    if let Some(id) = issuer
        .key_id
        .as_ref()
        .filter(|_| issuer.name != request.subject)
    {
        all.push(extension(35, false, &sequence(&[tagged(0x80, id)])));
    }
    let names = request
        .names
        .iter()
        .map(|name| tagged(0x82, name.as_bytes()));
    let addresses = request.addresses.iter().map(|address| match address {
        IpAddr::V4(address) => tagged(0x87, &address.octets()),
        IpAddr::V6(address) => tagged(0x87, &address.octets()),
    });
    let names: Vec<_> = names.chain(addresses).collect();
    if !names.is_empty() {
        all.push(extension(17, false, &sequence(&names)));
    }
    all
}
