//! RSA keys drawn from the seed, and signatures with them.
//!
//! What takes how long depends on the key, so this is for rendering, where nobody measures, and for
//! nothing that answers strangers.

use num_bigint::BigUint;
use sha2::{Digest, Sha256};

use super::der::{self, NULL, OCTETS, Reader};
use crate::random::Random;

/// A private key.
pub(super) struct Key {
    modulus: BigUint,
    public: BigUint,
    private: BigUint,
    primes: [BigUint; 2],
}

/// `rsaEncryption`
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// `sha256WithRSAEncryption`
pub(super) const SHA256_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

impl Key {
    /// Draws a key of so many bits.
    pub(super) fn generate(random: &mut Random, bits: u32) -> Self {
        let one = BigUint::from(1_u8);
        let public = BigUint::from(65_537_u32);
        loop {
            let [p, q] = [prime(random, bits / 2), prime(random, bits / 2)];
            let order = (&p - &one) * (&q - &one);
            let modulus = &p * &q;
            if p == q || modulus.bits() != u64::from(bits) {
                continue;
            }
            if let Some(private) = public.modinv(&order) {
                return Self {
                    modulus,
                    public,
                    private,
                    primes: [p, q],
                };
            }
        }
    }

    /// Reads PKCS #1.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut numbers = Reader(Reader(bytes).expect(der::SEQUENCE)?.content);
        numbers.number()?;
        let [modulus, public, private] = [numbers.number()?, numbers.number()?, numbers.number()?];
        let primes = [numbers.number()?, numbers.number()?];
        let two = BigUint::from(2_u8);
        let fine = &primes[0] * &primes[1] == modulus && modulus > two && modulus.bits() <= 16_384;
        fine.then_some(Self {
            modulus,
            public,
            private,
            primes,
        })
    }

    /// PKCS #1.
    pub(super) fn to_der(&self) -> Vec<u8> {
        let one = BigUint::from(1_u8);
        let [p, q] = &self.primes;
        let inverse = q.modinv(p).unwrap_or_default();
        let numbers = [
            &BigUint::default(),
            &self.modulus,
            &self.public,
            &self.private,
            p,
            q,
            &(&self.private % (p - &one)),
            &(&self.private % (q - &one)),
            &inverse,
        ];
        der::sequence(&numbers.map(der::integer))
    }

    /// The public key alone, as in PKCS #1.
    pub(super) fn public(&self) -> Vec<u8> {
        der::sequence(&[der::integer(&self.modulus), der::integer(&self.public)])
    }

    /// PKCS #1 v1.5 with SHA-256.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let algorithm = der::sequence(&[der::identifier(SHA256), der::tagged(NULL, &[])]);
        let hash = der::tagged(OCTETS, &Sha256::digest(message));
        let hash = der::sequence(&[algorithm, hash]);
        let length = usize::try_from(self.modulus.bits().div_ceil(8)).unwrap_or_default();
        let filler = vec![0xff; length.saturating_sub(hash.len() + 3)];
        let padded = [&[0, 1], &*filler, &[0], &hash].concat();
        let signed = BigUint::from_bytes_be(&padded).modpow(&self.private, &self.modulus);
        let signed = signed.to_bytes_be();
        [vec![0; length.saturating_sub(signed.len())], signed].concat()
    }
}

/// A prime of just so many bits, its upper two set.
fn prime(random: &mut Random, bits: u32) -> BigUint {
    let small = small_primes();
    loop {
        let mut bytes = random.bytes(bits as usize / 8);
        bytes[0] |= 0xc0;
        if let Some(last) = bytes.last_mut() {
            *last |= 1;
        }
        let start = BigUint::from_bytes_be(&bytes);
        let rests: Vec<u32> = small.iter().map(|&each| rest(&start, each)).collect();
        for step in (0..20_000_u32).step_by(2) {
            if small
                .iter()
                .zip(&rests)
                .any(|(&each, &rest)| (rest + step) % each == 0)
            {
                continue;
            }
            let candidate = &start + step;
            if candidate.bits() == u64::from(bits) && is_prime(&candidate, random) {
                return candidate;
            }
        }
    }
}

fn rest(number: &BigUint, by: u32) -> u32 {
    u32::try_from(number % by).unwrap_or_default()
}

fn small_primes() -> Vec<u32> {
    (3..4000)
        .filter(|number| {
            (2..*number)
                .take_while(|by| by * by <= *number)
                .all(|by| number % by != 0)
        })
        .collect()
}

/// Miller and Rabin's test: with 2 first, which finds nearly all that are none.
fn is_prime(candidate: &BigUint, random: &mut Random) -> bool {
    let one = BigUint::from(1_u8);
    let less = candidate - &one;
    let twos = less.trailing_zeros().unwrap_or_default();
    let odd = &less >> twos;
    let witness = |base: &BigUint| {
        let mut power = base.modpow(&odd, candidate);
        if power == one || power == less {
            return false;
        }
        for _ in 1..twos {
            power = &power * &power % candidate;
            if power == less {
                return false;
            }
        }
        true
    };
    if witness(&BigUint::from(2_u8)) {
        return false;
    }
    (0..8).all(|_| !witness(&BigUint::from_bytes_be(&random.bytes(16))))
}
