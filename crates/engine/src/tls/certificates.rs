//! Which certificate a client gets to see: by the name that it asks for (SNI), in Kong's order.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::pem;
use crate::config::{ConfigError, wire};
use crate::uuid::Uuid;

/// The longest name that DNS has.
const LONGEST_NAME: usize = 253;

/// A certificate and, where there is one, its twin with another kind of key.
pub struct Pair {
    main: Arc<CertifiedKey>,
    alternative: Option<Arc<CertifiedKey>>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [Some(&self.main), self.alternative.as_ref()];
        let kinds = kinds.map(|key| key.map(|key| key.key.algorithm()));
        formatter.debug_tuple("Pair").field(&kinds).finish()
    }
}

impl Pair {
    /// A certificate with its key, both PEM.
    ///
    /// # Errors
    /// [`ConfigError`] names `cert` or `key`.
    pub fn read(cert: &str, key: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            main: Arc::new(pem::certified_key(("cert", cert), ("key", key))?),
            alternative: None,
        })
    }

    fn compile(row: &wire::Certificate) -> Result<Self, ConfigError> {
        let mut pair = Self::read(&row.cert, &row.key.0)?;
        pair.alternative = match (&row.cert_alt, &row.key_alt) {
            (None, None) => None,
            (Some(cert), Some(key)) => {
                let key = pem::certified_key(("cert_alt", cert), ("key_alt", &key.0))?;
                if key.key.algorithm() == pair.main.key.algorithm() {
                    return Err(ConfigError::new(
                        "cert_alt",
                        "its key is of the same kind as the certificate's",
                        "give an ECDSA certificate beside an RSA one, or none",
                    ));
                }
                Some(Arc::new(key))
            }
            _ => {
                return Err(ConfigError::new(
                    "cert_alt",
                    "only one of cert_alt and key_alt is there",
                    "give both or none",
                ));
            }
        };
        Ok(pair)
    }

    /// The one that the other side can check by one of `schemes`; of two that which isn't RSA, which costs less.
    pub(super) fn choose(&self, schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        let mut fitting = [Some(&self.main), self.alternative.as_ref()]
            .into_iter()
            .flatten()
            .filter(|key| key.key.choose_scheme(schemes).is_some());
        let first = fitting.next()?;
        if first.key.algorithm() == SignatureAlgorithm::RSA {
            return Some(fitting.next().unwrap_or(first));
        }
        Some(first)
    }

    /// The certificate's bytes, which tell it from others.
    pub(super) fn der(&self) -> impl Iterator<Item = &[u8]> {
        [Some(&self.main), self.alternative.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|key| &key.cert)
            .map(AsRef::as_ref)
    }
}

/// All certificates of a configuration.
#[derive(Debug, Default)]
pub struct Certificates {
    by_name: HashMap<Box<str>, Arc<Pair>>,
    by_id: HashMap<Uuid, Arc<Pair>>,
}

impl Certificates {
    /// # Errors
    /// [`ConfigError`] names the certificate and the field.
    pub(crate) fn compile(rows: &[wire::Certificate]) -> Result<Self, ConfigError> {
        let mut certificates = Self::default();
        for (place, row) in rows.iter().enumerate() {
            certificates
                .add(row)
                .map_err(|error| error.within(&format!("certificates[{place}]")))?;
        }
        Ok(certificates)
    }

    fn add(&mut self, row: &wire::Certificate) -> Result<(), ConfigError> {
        let pair = Arc::new(Pair::compile(row)?);
        for (place, name) in row.snis.iter().enumerate() {
            let fault = |problem: &str, fix: &str| {
                Err(ConfigError::new(format!("snis[{place}]"), problem, fix))
            };
            if !is_name(name) {
                return fault(
                    "not a name",
                    "use api.example.com, *.example.com, api.example.*, or * for all others",
                );
            }
            let name = name.to_ascii_lowercase().into_boxed_str();
            if self.by_name.insert(name, Arc::clone(&pair)).is_some() {
                return fault(
                    "the name has a certificate already",
                    "take it from the other",
                );
            }
        }
        if self.by_id.insert(row.id, pair).is_some() {
            return Err(ConfigError::new(
                "id",
                "the id is there twice",
                "give each its own id",
            ));
        }
        Ok(())
    }

    /// A certificate by its id.
    pub(crate) fn get(&self, id: Uuid) -> Option<&Arc<Pair>> {
        self.by_id.get(&id)
    }

    /// The certificate for who asks for `name`: the name's own, then a wildcard for its first label, then one for its
    /// last, then the one for all others. None where only the default is left.
    #[must_use]
    pub fn find(&self, name: Option<&str>) -> Option<&Arc<Pair>> {
        if self.by_name.is_empty() {
            return None;
        }
        let by_name = |name: &str| self.by_name.get(name);
        let found = name.and_then(|name| {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            by_name(&name)
                .or_else(|| by_name(&format!("*.{}", name.split_once('.')?.1)))
                .or_else(|| by_name(&format!("{}.*", name.rsplit_once('.')?.0)))
        });
        found.or_else(|| by_name("*"))
    }
}

/// A name as it can be in a handshake, its first or last label perhaps a wildcard.
fn is_name(name: &str) -> bool {
    let plain = name
        .strip_prefix("*.")
        .or_else(|| name.strip_suffix(".*"))
        .unwrap_or(name);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && (label.bytes()).all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name == "*" || (name.len() <= LONGEST_NAME && plain.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
    use serde_json::{Value, json};

    fn id(number: u8) -> Uuid {
        Uuid([number; 16])
    }

    /// A certificate with its key, PEM both.
    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names = vec!["a.example".to_owned()];
        let certificate = CertificateParams::new(names)
            .unwrap()
            .self_signed(&key)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn row(number: u8, snis: &Value) -> Value {
        let (cert, key) = made(&PKCS_ECDSA_P256_SHA256);
        json!({
            "id": id(number).to_string(), "cert": cert, "key": key, "cert_alt": null, "key_alt": null,
            "snis": snis, "tags": null,
        })
    }

    fn compile(rows: &[Value]) -> Result<Certificates, ConfigError> {
        let rows: Vec<wire::Certificate> = rows
            .iter()
            .map(|row| serde_json::from_value(row.clone()).unwrap())
            .collect();
        Certificates::compile(&rows)
    }

    fn fault(change: impl FnOnce(&mut Value)) -> String {
        let mut changed = row(1, &json!(["a.example"]));
        change(&mut changed);
        compile(&[changed]).unwrap_err().to_string()
    }

    #[test]
    fn a_name_finds_its_own_then_wildcards_then_the_rest() {
        let rows = [
            row(1, &json!(["api.example.com", "Www.Example.com"])),
            row(2, &json!(["*.example.com"])),
            row(3, &json!(["api.example.*"])),
            row(4, &json!(["*"])),
        ];
        let certificates = compile(&rows).unwrap();
        for (name, number) in [
            (Some("api.example.com"), 1),
            (Some("www.example.com"), 1),
            (Some("API.example.com."), 1),
            (Some("other.example.com"), 2),
            (Some("api.example.org"), 3),
            (Some("a.b.example.com"), 4),
            (Some("example.com"), 4),
            (Some("localhost"), 4),
            (None, 4),
        ] {
            let found = certificates.find(name).unwrap();
            assert!(
                Arc::ptr_eq(found, certificates.get(id(number)).unwrap()),
                "{name:?}"
            );
        }
        assert!(compile(&rows[..3]).unwrap().find(Some("x.y.z")).is_none());
    }

    #[test]
    fn of_two_kinds_of_keys_the_one_that_the_client_knows_is_chosen() {
        let (cert, key) = made(&PKCS_ED25519);
        let mut both = row(1, &json!([]));
        (both["cert_alt"], both["key_alt"]) = (json!(cert), json!(key));
        let certificates = compile(&[both.clone()]).unwrap();
        let pair = certificates.get(id(1)).unwrap();
        let chosen =
            |schemes: &[SignatureScheme]| pair.choose(schemes).map(|key| key.key.algorithm());
        let (ecdsa, ed25519) = (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
        );
        assert_eq!(chosen(&[ed25519]), Some(SignatureAlgorithm::ED25519));
        assert_eq!(chosen(&[ecdsa, ed25519]), Some(SignatureAlgorithm::ECDSA));
        assert_eq!(chosen(&[SignatureScheme::RSA_PSS_SHA256]), None);
        assert_eq!(format!("{pair:?}"), "Pair([Some(ECDSA), Some(ED25519)])");

        both["key_alt"] = json!(null);
        let problem = compile(&[both]).unwrap_err().to_string();
        assert!(
            problem.starts_with("certificates[0].cert_alt: only one"),
            "{problem}"
        );
    }

    #[test]
    fn faults_name_the_field_and_never_tell_the_key() {
        let (cert, key) = made(&PKCS_ECDSA_P256_SHA256);
        assert!(
            fault(|row| row["cert"] = json!("x")).contains("certificates[0].cert: there is no")
        );
        let other = fault(|row| row["key"] = json!(key));
        assert!(
            other.contains("certificates[0].key: the key isn't the certificate's"),
            "{other}"
        );
        let broken = fault(|row| row["key"] = json!(key.replace('M', "?")));
        assert!(
            broken.contains("certificates[0].key: not a private key"),
            "{broken}"
        );
        assert!(!broken.contains('?'), "{broken}");
        let many = fault(|row| row["cert"] = json!(cert.repeat(20)));
        assert!(
            many.contains("more certificates than a chain has"),
            "{many}"
        );
        for name in ["", "a..b", "*.*.com", "a.*.com", "a b", "é.example"] {
            let problem = fault(|row| row["snis"] = json!([name]));
            assert!(
                problem.starts_with("certificates[0].snis[0]: not a name"),
                "{problem}"
            );
        }
        let twice = compile(&[row(1, &json!(["a.b"])), row(2, &json!(["A.b"]))]).unwrap_err();
        assert!(
            twice
                .to_string()
                .starts_with("certificates[1].snis[0]: the name has"),
            "{twice}"
        );
    }
}
