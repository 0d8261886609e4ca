//! PEM as sellers paste it into certificates' fields.

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::PROVIDER;
use crate::config::ConfigError;

/// More certificates than this are no chain: the longest in use have four.
const LONGEST_CHAIN: usize = 16;

/// A certificate with its key. Faults are named by the two fields.
pub(crate) fn certified_key(
    (cert_field, cert): (&str, &str),
    (key_field, key): (&str, &str),
) -> Result<CertifiedKey, ConfigError> {
    let chain = chain(cert_field, cert)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
        // Never what was read: it is secret even where it is broken.
        ConfigError::new(
            key_field,
            "not a private key in PEM that can be used",
            "give PKCS#8, PKCS#1 or SEC1 without a passphrase",
        )
    })?;
    CertifiedKey::from_der(chain, key, &PROVIDER).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => ConfigError::new(
            key_field,
            "the key isn't the certificate's",
            "give the key that the certificate was made for, and the server's own certificate first",
        ),
        rustls::Error::InvalidCertificate(_) => {
            ConfigError::new(cert_field, "not an X.509 certificate, version 3", FIX_CERT)
        }
        _ => ConfigError::new(
            key_field,
            "a kind of key that isn't spoken",
            "use RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519",
        ),
    })
}

const FIX_CERT: &str = "give PEM: -----BEGIN CERTIFICATE----- and what follows";

/// All certificates of a text, the server's own first.
fn chain(field: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let chain: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let fault = |problem: &str| ConfigError::new(field, problem, FIX_CERT);
    match chain {
        Err(_) => Err(fault("not PEM")),
        Ok(chain) if chain.is_empty() => Err(fault("there is no certificate in it")),
        Ok(chain) if chain.len() > LONGEST_CHAIN => {
            Err(fault("more certificates than a chain has"))
        }
        Ok(chain) => Ok(chain),
    }
}

/// One authority's certificate.
pub(crate) fn authority(field: &str, text: &str) -> Result<CertificateDer<'static>, ConfigError> {
    let mut chain = chain(field, text)?;
    let fault =
        |problem: &str| ConfigError::new(field, problem, "give one authority's certificate");
    let (Some(only), true) = (chain.pop(), chain.is_empty()) else {
        return Err(fault("more than one certificate"));
    };
    if webpki::anchor_from_trusted_cert(&only).is_err() {
        return Err(fault("not an X.509 certificate"));
    }
    Ok(only)
}
