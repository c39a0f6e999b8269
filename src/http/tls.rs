//! TLS for `ureq` with rustls: the last link of a connector chain. The roots are Mozilla's,
//! compiled in, and the PEM certificates of the configured CA bundle.

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
use crate::error::{Context, Error, Result};
use crate::types::Root;

/// How many bytes of the CA bundle are read. Real ones are much smaller.
const BUNDLE_LIMIT: u64 = 16 << 20;

/// The TLS configuration: TLS 1.2 and 1.3, ALPN `http/1.1`, Mozilla's roots and those of `bundle`,
/// a path below `root`.
///
/// # Errors
/// The bundle cannot be read, has no certificate, or has invalid PEM.
pub fn client_config(root: &Root, bundle: Option<&Setting<PathBuf>>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(bundle) = bundle {
        add_bundle(&mut roots, &root.at(bundle.as_path()))
            .context(|| format!("read the CA bundle ({})", bundle.origin))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context(|| "set up TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn add_bundle(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let path_text = || path.display().to_string();
    let file = crate::sys::file::open_regular(path).context(path_text)?;
    let mut pem = Vec::new();
    file.take(BUNDLE_LIMIT)
        .read_to_end(&mut pem)
        .context(path_text)?;
    let mut added = 0;
    for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let number = index + 1;
        let certificate = certificate.map_err(|e| {
            Error::invalid(format!("{}: invalid PEM block {number}: {e}", path_text()))
        })?;
        // Bundles of distributions may contain certificates that webpki cannot parse.
        match roots.add(certificate) {
            Ok(()) => added += 1,
            Err(e) => log::debug!("{}: skipping certificate {number}: {e}", path_text()),
        }
    }
    if added == 0 {
        return Err(Error::invalid(format!(
            "{}: no certificate; expected PEM blocks 'BEGIN CERTIFICATE'",
            path_text()
        )));
    }
    Ok(())
}

/// Wraps a connection in TLS if the URL is `https`.
pub struct TlsConnector(pub Arc<ClientConfig>);

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
            .map_err(|_| ureq::Error::BadUri(format!("not a host name: {host}")))?;
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

/// The time left for the handshake, after TCP and the proxy used a part of the connect timeout.
fn remaining(details: &ConnectionDetails) -> NextTimeout {
    let mut limit = details.timeout;
    if let (Limit::Exact(after), Instant::Exact(start), Instant::Exact(now)) =
        (limit.after, details.now, (details.current_time)())
    {
        let spent = now.saturating_duration_since(start);
        // Not 0, which some transports interpret as one second.
        let left = after.saturating_sub(spent).max(Duration::from_millis(1));
        limit.after = Limit::Exact(left);
    }
    limit
}

/// A TLS session as a transport of `ureq`.
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
    fn unusable_bundle_is_named() {
        assert!(refused("absent.pem", None).contains("No such file"));
        assert!(refused("empty.pem", Some("")).contains("no certificate"));
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(refused("key.pem", Some(key)).contains("no certificate"));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(refused("cut.pem", Some(cut)).contains("PEM block 1"));
    }

    #[test]
    fn mozilla_roots_without_bundle() {
        assert!(client_config(&Root::default(), None).is_ok());
    }
}
