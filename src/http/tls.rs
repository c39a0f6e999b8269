//! TLS under `ureq`, by rustls: the last link of a connector chain. The roots are the compiled-in
//! Mozilla set, and beside them the PEM certificates of a file that the configuration names.

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::unversioned::transport::time::{Duration as Limit, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use crate::config::Setting;
use crate::error::{Context, Error, Kind, Result};
use crate::types::Root;

/// The certificate bundle is read whole; no real one comes near this.
const BUNDLE_LIMIT: u64 = 16 << 20;

/// Builds the TLS configuration: TLS 1.2 and 1.3, ALPN `http/1.1`, Mozilla's roots and those of
/// `bundle`, which lies below `root` like all that is configured.
///
/// # Errors
/// Names the bundle if it cannot be read, or holds no certificate, or one that is none.
pub fn client_config(root: &Root, bundle: Option<&Setting<PathBuf>>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(bundle) = bundle {
        add_bundle(&mut roots, &root.at(bundle.as_path()))
            .context(|| format!("the CA bundle of {} cannot be used", bundle.origin))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context(|| "set TLS up")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn add_bundle(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let here = || path.display().to_string();
    let file = crate::sys::file::open_regular(path).context(here)?;
    let mut pem = Vec::new();
    file.take(BUNDLE_LIMIT)
        .read_to_end(&mut pem)
        .context(here)?;
    let mut added = 0;
    for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let number = index + 1;
        let certificate = certificate.map_err(|e| {
            Error::new(
                Kind::InvalidInput,
                format!("{}: its PEM part {number}: {e}", here()),
            )
        })?;
        // Distributions' bundles hold the odd certificate that webpki cannot parse; the others
        // are as good without it.
        match roots.add(certificate) {
            Ok(()) => added += 1,
            Err(e) => log::debug!("{}: certificate {number} is left out: {e}", here()),
        }
    }
    if added == 0 {
        return Err(Error::new(
            Kind::InvalidInput,
            format!(
                "{}: no certificate in it; it must hold PEM blocks 'BEGIN CERTIFICATE'",
                here()
            ),
        ));
    }
    Ok(())
}

/// Wraps a connection in TLS if the URL is `https`.
pub struct TlsConnector(Arc<ClientConfig>);

impl TlsConnector {
    /// A connector with this configuration; see [`client_config`].
    #[must_use]
    pub fn new(config: Arc<ClientConfig>) -> Self {
        TlsConnector(config)
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ureq::Error::BadUri(format!("{host} is no host name")))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name)
            .map_err(|e| ureq::Error::Other(Box::new(e)))?;
        let mut socket =
            TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        socket.set_timeout(remaining(details));
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        let stream = StreamOwned::new(connection, socket);
        Ok(Some(Either::B(TlsTransport { buffers, stream })))
    }
}

/// What the connect limit leaves for the handshake, after what TCP and the proxy took.
fn remaining(details: &ConnectionDetails) -> NextTimeout {
    let mut limit = details.timeout;
    if let (Limit::Exact(after), Instant::Exact(start), Instant::Exact(now)) =
        (limit.after, details.now, (details.current_time)())
    {
        let spent = now.saturating_duration_since(start);
        // Zero would be taken for a second by some transports.
        let left = after.saturating_sub(spent).max(Duration::from_millis(1));
        limit.after = Limit::Exact(left);
    }
    limit
}

/// A TLS session as `ureq` wants it.
pub struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output)?;
        self.stream.flush()?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;
    use crate::testing::TempDir;

    fn refused(name: &str, text: Option<&str>) -> String {
        let dir = TempDir::new("bundle");
        if let Some(text) = text {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let root = Root::new(dir.path());
        let path = PathBuf::from("/").join(name);
        let error = client_config(&root, Some(&Setting::new(path, Origin::Environment)))
            .unwrap_err()
            .to_string();
        assert!(error.contains(name), "{error}");
        error
    }

    #[test]
    fn a_bundle_that_cannot_be_used_is_named() {
        assert!(refused("absent.pem", None).contains("No such file"));
        assert!(refused("empty.pem", Some("")).contains("no certificate in it"));
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(refused("key.pem", Some(key)).contains("no certificate in it"));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(refused("cut.pem", Some(cut)).contains("PEM part 1"));
    }

    #[test]
    fn without_a_bundle_there_are_mozillas_roots() {
        assert!(client_config(&Root::default(), None).is_ok());
    }
}
