//! TLS with rustls. The server's certificate and its host name are always verified. The trusted roots and the client
//! certificate can be configured.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Certificates in PEM form.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    /// Authorities that may sign the server's certificate. `None`: those that browsers trust.
    pub(super) roots: Option<Vec<u8>>,
    /// Certificate presented to the server, and its key.
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Certificates {
    #[cfg(feature = "redis")]
    pub(super) const fn are_some(&self) -> bool {
        self.roots.is_some() || self.client.is_some()
    }

    /// Builds the TLS configuration of the connections.
    ///
    /// # Errors
    ///
    /// The message describes the invalid certificate or key.
    pub(super) fn config(&self) -> Result<ClientConfig, &'static str> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|_| "no TLS version is built in")?;
        let builder = builder.with_root_certificates(self.trusted()?);
        let Some((certificates, key)) = &self.client else { return Ok(builder.with_no_client_auth()) };
        let certificates =
            CertificateDer::pem_slice_iter(certificates).collect::<Result<_, _>>().map_err(|_| NO_CLIENT)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| NO_CLIENT)?;
        builder.with_client_auth_cert(certificates, key).map_err(|_| NO_CLIENT)
    }

    fn trusted(&self) -> Result<RootCertStore, &'static str> {
        let Some(pem) = &self.roots else {
            return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            store.add(certificate.map_err(|_| NO_ROOT)?).map_err(|_| NO_ROOT)?;
        }
        if store.is_empty() { Err(NO_ROOT) } else { Ok(store) }
    }
}

const NO_ROOT: &str = "the root certificate is not a certificate in PEM form";
const NO_CLIENT: &str = "the client's certificate and key are not a certificate and its key in PEM form";
