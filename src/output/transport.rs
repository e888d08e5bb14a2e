//! Bytes of a connection, plain or encrypted: the same non-blocking reads and writes either way. Runs in the output's
//! task.

use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError,
    RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::{OutputError, Phase};
use super::net::connect::shown_host;
use crate::rtmp::url::RtmpUrl;

/// Encrypted bytes that may wait for the socket: what is in there cannot be dropped any more.
const TLS_BUFFER: usize = 16 << 10;

/// A TCP connection, with TLS over it where the address asks for that.
#[derive(Debug)]
pub(super) struct Transport {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Transport {
    /// Makes the connection private if the address is `rtmps://`. `trust_any`: the user has said that this server's
    /// certificate need not be signed by anybody.
    pub(super) async fn over(
        stream: TcpStream,
        url: &RtmpUrl,
        trust_any: bool,
        limit: Duration,
    ) -> Result<Self, OutputError> {
        let mut transport = Self { stream, tls: None };
        if !url.tls {
            return Ok(transport);
        }
        let tls = client(&url.host, trust_any).map_err(|e| tls_error(url, &e))?;
        transport.tls = Some(Box::new(tls));
        timeout(limit, transport.shake_hands())
            .await
            .map_err(|_elapsed| OutputError::TimedOut {
                phase: Phase::Tls,
                seconds: limit.as_secs(),
            })?
            .map_err(|e| io_error(url, e))?;
        Ok(transport)
    }

    async fn shake_hands(&mut self) -> io::Result<()> {
        loop {
            self.flush()?;
            let Some(tls) = &mut self.tls else {
                return Ok(());
            };
            if !tls.is_handshaking() {
                return Ok(());
            }
            match receive(tls, &self.stream) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.ready(false).await?,
                other => other?,
            }
        }
    }

    /// The socket, for its options.
    pub(super) const fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket alone, for one that is given up.
    pub(super) fn into_socket(self) -> TcpStream {
        self.stream
    }

    /// Completes when there is something to read, or room for what waits. Cancel safe.
    pub(super) async fn ready(&self, pending: bool) -> io::Result<()> {
        let interest = if pending || self.has_unsent() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        self.stream.ready(interest).await.map(|_| ())
    }

    /// Encrypted bytes wait for the socket.
    pub(super) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Takes what fits; `WouldBlock` when nothing does.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.try_write(bytes);
        };
        send(tls, &self.stream)?;
        if tls.wants_write() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = tls.writer().write(bytes)?;
        send(tls, &self.stream)?;
        Ok(n)
    }

    /// Sends encrypted bytes that wait, as far as the socket takes them.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => send(tls, &self.stream),
            None => Ok(()),
        }
    }

    /// Gives what is there; zero at the end of the stream, `WouldBlock` when there is nothing now.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.try_read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => receive(tls, &self.stream)?,
                // closing without a word of TLS is what most servers do
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
        }
    }

    /// Says that nothing more comes.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            send(tls, &self.stream)?;
        }
        self.stream.shutdown().await
    }
}

/// Moves encrypted bytes to the socket until it takes no more.
fn send(tls: &mut ClientConnection, stream: &TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(&mut Socket(stream)) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Takes encrypted bytes from the socket once. The end of the stream is `UnexpectedEof` while shaking hands, afterwards
/// the reader tells it.
fn receive(tls: &mut ClientConnection, stream: &TcpStream) -> io::Result<()> {
    let n = tls.read_tls(&mut Socket(stream))?;
    if n == 0 && tls.is_handshaking() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let state = tls.process_new_packets();
    // an alert may be waiting, also after an error
    send(tls, stream).ok();
    state.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    Ok(())
}

/// A non-blocking socket as rustls wants it.
struct Socket<'a>(&'a TcpStream);

impl io::Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn client(host: &str, trust_any: bool) -> Result<ClientConnection, TlsError> {
    let name = host.split('%').next().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name)
        .map_err(|e| TlsError::General(format!("no certificate can be for such a name ({e})")))?;
    let mut tls = ClientConnection::new(config(trust_any)?, name)?;
    tls.set_buffer_limit(Some(TLS_BUFFER));
    Ok(tls)
}

/// The system's roots are read once: that takes milliseconds.
pub(super) fn config(trust_any: bool) -> Result<Arc<ClientConfig>, TlsError> {
    static STRICT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    if trust_any {
        let anybody = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)));
        return Ok(Arc::new(anybody.with_no_client_auth()));
    }
    if let Some(config) = STRICT.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a root certificate cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    Ok(Arc::clone(STRICT.get_or_init(|| config)))
}

/// Takes any certificate, but the server must still own its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn io_error(url: &RtmpUrl, error: io::Error) -> OutputError {
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<TlsError>());
    match (cause, error.kind()) {
        (Some(e), _) => tls_error(url, e),
        (
            None,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe,
        ) => OutputError::ClosedEarly {
            phase: Phase::Tls,
            app: String::new(),
        },
        (None, _) => OutputError::Lost(error),
    }
}

fn tls_error(url: &RtmpUrl, error: &TlsError) -> OutputError {
    let reason = match error {
        TlsError::InvalidMessage(_) => {
            "it does not answer encrypted: is this the port for rtmps, or should the address begin with rtmp://?"
        }
        TlsError::InvalidCertificate(e) => match e {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired: check this computer's clock, or tell whoever runs the server"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name: check the server name in the address"
            }
            // many a certificate made by hand is that of an authority, which webpki calls something else again
            CertificateError::UnknownIssuer | CertificateError::Other(_) => {
                "its certificate is signed by nobody this computer knows: if the server is your own, tick \"trust this \
                 server\" (stream.trust_any_certificate), otherwise do not go on"
            }
            _ => {
                "its certificate is not good: check the server name, or tell whoever runs the server"
            }
        },
        _ => "no encryption could be agreed on: check the address and the port",
    };
    tracing::debug!(%error, "TLS");
    OutputError::Tls {
        host: shown_host(&url.host),
        port: url.port,
        reason,
    }
}
