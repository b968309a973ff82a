//! TLS for the server's side of a connection.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its key.
#[derive(Clone)]
pub struct Tls {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate could be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate and its key can't be used.
    #[error("using the certificate: {0}")]
    Configuration(#[from] rustls::Error),
    /// The key is not in a known form.
    #[error("the private key is in no known form: {0}")]
    Key(&'static str),
}

impl Tls {
    /// A new self-signed certificate for these host names.
    ///
    /// # Errors
    /// When a name is no host name.
    pub fn self_signed(names: &[&str]) -> Result<Self, TlsError> {
        Self::generate(names, 4096)
    }

    /// The same, but it ended in the year 2000.
    ///
    /// # Errors
    /// When a name is no host name.
    pub fn expired(names: &[&str]) -> Result<Self, TlsError> {
        Self::generate(names, 2000)
    }

    fn generate(names: &[&str], until_year: i32) -> Result<Self, TlsError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names)?;
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        let key = rcgen::KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
        })
    }

    /// A certificate and a PKCS #8 key, both in DER.
    #[must_use]
    pub fn from_der(certificate: Vec<u8>, key: Vec<u8>) -> Self {
        Self { certificate, key }
    }

    /// The certificate in DER, as the driver's folder of certificates wants it.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate in PEM, as a binding of the platform has it.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for (position, c) in text.chars().enumerate() {
            if position > 0 && position % 64 == 0 {
                pem.push('\n');
            }
            pem.push(c);
        }
        pem + "\n-----END CERTIFICATE-----\n"
    }

    /// What rustls needs. The crypto provider is named, so that it does not matter what the process installed.
    pub(crate) fn configuration(&self) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let key = PrivateKeyDer::try_from(self.key.clone()).map_err(TlsError::Key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let configuration = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(self.certificate.clone())], key)?;
        Ok(Arc::new(configuration))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
