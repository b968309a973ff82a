//! The certificates of a binding, as the driver takes them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A private folder of DER files, removed when it is dropped.
///
/// The driver's documentation speaks of PEM, but its code hands the bytes to rustls as DER, so a binding's PEM text
/// can't be given to it directly. Source: `hdbconnect_impl` 0.33, `conn/tcp_client`.
#[derive(Debug)]
pub(super) struct CertificateFolder(PathBuf);

impl CertificateFolder {
    /// Writes every certificate of a PEM text.
    ///
    /// # Errors
    /// If the text holds no certificate, or the folder can't be written.
    pub(super) fn write(pem: &str) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!(
            "qualtrics-ingester-{}",
            uuid::Uuid::new_v4().simple()
        ));
        // Nobody else may put a certificate there, or swap one.
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let folder = Self(path);
        let certificates = certificates(pem)?;
        for (index, der) in certificates.iter().enumerate() {
            fs::File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(folder.0.join(format!("{index}.cer")))?
                .write_all(der)?;
        }
        Ok(folder)
    }

    /// The folder's path.
    pub(super) fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for CertificateFolder {
    fn drop(&mut self) {
        // Certificates are no secret; what stays is only untidy.
        drop(fs::remove_dir_all(&self.0));
    }
}

fn certificates(pem: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let mut found = Vec::new();
    let mut rest = pem;
    while let Some((_, after)) = rest.split_once("-----BEGIN CERTIFICATE-----") {
        let (body, after) = after
            .split_once("-----END CERTIFICATE-----")
            .ok_or_else(|| invalid("a certificate does not end"))?;
        let body: String = body.split_whitespace().collect();
        found.push(
            STANDARD
                .decode(body)
                .map_err(|_| invalid("a certificate is not base64"))?,
        );
        rest = after;
    }
    if found.is_empty() {
        return Err(invalid("no certificate in PEM form"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_becomes_a_der_file_that_goes_with_the_folder() {
        let block = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQ=\n-----END CERTIFICATE-----\n";

        let folder = CertificateFolder::write(&format!("{block}{block}")).unwrap();

        let path = folder.0.clone();
        assert_eq!(fs::read(path.join("0.cer")).unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
        drop(folder);
        assert!(!path.exists());
        assert!(CertificateFolder::write("no certificate").is_err());
    }
}
