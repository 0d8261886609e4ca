//! Whether an upstream is who it should be.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use super::PROVIDER;

/// Believes what an authority vouches for, over at most so many certificates in between.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) anchors: Arc<[TrustAnchor<'static>]>,
    /// Certificates between the upstream's own and the authority's; webpki's own bound holds besides.
    pub(super) depth: Option<usize>,
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = EndEntityCert::try_from(end_entity).map_err(fault)?;
        let within_depth = |path: &webpki::VerifiedPath<'_>| match self.depth {
            Some(depth) if path.intermediate_certificates().count() > depth => {
                Err(webpki::Error::MaximumPathDepthExceeded)
            }
            _ => Ok(()),
        };
        certificate
            .verify_for_usage(
                PROVIDER.signature_verification_algorithms.all,
                &self.anchors,
                intermediates,
                now,
                KeyUsage::server_auth(),
                None,
                Some(&within_depth),
            )
            .map_err(fault)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// webpki's words in rustls', so that the other side gets the right alert and the log the right reason.
fn fault(error: webpki::Error) -> Error {
    use webpki::Error as Webpki;
    Error::InvalidCertificate(match error {
        Webpki::BadDer | Webpki::BadDerTime | Webpki::TrailingData(_) => {
            CertificateError::BadEncoding
        }
        Webpki::CertNotValidYet { .. } | Webpki::InvalidCertValidity => {
            CertificateError::NotValidYet
        }
        Webpki::CertExpired { .. } => CertificateError::Expired,
        Webpki::UnknownIssuer => CertificateError::UnknownIssuer,
        Webpki::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    })
}

/// Asks for no proof: whoever answers at the address is the upstream. Signatures of the handshake aren't checked
/// either: made with a key that anybody may have made up, they would prove nothing.
#[derive(Debug)]
pub(super) struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER
            .signature_verification_algorithms
            .supported_schemes()
    }
}
