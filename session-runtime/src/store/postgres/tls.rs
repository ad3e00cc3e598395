//! Encryption by rustls. A certificate is always checked, and so is the name in it; which roots are trusted is all that can
//! be chosen.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::builder::Refused;

/// Who may sign the server's certificate.
#[derive(Default)]
pub(super) enum Roots {
    /// Whom browsers trust.
    #[default]
    Web,
    /// These, in PEM form.
    Pem(Vec<u8>),
}

impl Roots {
    pub(super) fn connect(&self) -> Result<MakeRustlsConnect, Refused> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder =
            builder.with_safe_default_protocol_versions().map_err(|_| Refused("no TLS version is built in"))?;
        Ok(MakeRustlsConnect::new(builder.with_root_certificates(self.store()?).with_no_client_auth()))
    }

    fn store(&self) -> Result<RootCertStore, Refused> {
        let Self::Pem(pem) = self else {
            return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| NO_ROOT)?;
            store.add(certificate).map_err(|_| NO_ROOT)?;
        }
        if store.is_empty() { Err(NO_ROOT) } else { Ok(store) }
    }
}

const NO_ROOT: Refused = Refused("the root certificate is not a certificate in PEM form");
