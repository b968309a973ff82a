//! AUTHENTICATE and CONNECT.

use std::sync::PoisonError;

use super::reply::Reply;
use super::scram::{NONCE_BYTES, ROUNDS, SALT_BYTES, Verifier};
use super::{Answer, Session, Shared, State};
use crate::engine::system::{ConnectionRow, VERSION};
use crate::error::{SqlError, code};
use crate::options::{Method, User};
use crate::random;
use crate::wire::authentication::{self, encode_fields, parse_fields, parse_proof};
use crate::wire::bytes::Malformed;
use crate::wire::error::Severity;
use crate::wire::function_code;
use crate::wire::message::Message;
use crate::wire::options::{self, OptionValue, connect};
use crate::wire::part::kind;

/// Between AUTHENTICATE and CONNECT.
#[derive(Debug, Clone)]
pub(super) struct Challenge {
    method: Method,
    user: Vec<u8>,
    client_challenge: Vec<u8>,
    server_nonce: [u8; NONCE_BYTES],
    verifier: Verifier,
}

impl Method {
    fn name(self) -> &'static [u8] {
        match self {
            Self::ScramPbkdf2Sha256 => b"SCRAMPBKDF2SHA256",
            Self::ScramSha256 => b"SCRAMSHA256",
        }
    }
}

impl Shared {
    /// The verifier of a password; PBKDF2 is slow, so each is made once a process.
    fn verifier(&self, method: Method, user: &str, password: &str) -> Verifier {
        let salt = salt(user);
        let key = (
            method == Method::ScramPbkdf2Sha256,
            user.to_owned(),
            password.to_owned(),
        );
        let mut known = super::VERIFIERS
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known
            .entry(key)
            .or_insert_with(|| Verifier::new(method, password, salt))
            .to_owned()
    }

    fn user(&self, name: &[u8]) -> Option<User> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users
            .iter()
            .find(|user| user.name.as_bytes() == name)
            .cloned()
    }
}

/// A salt that is the same for a user in every server, so that verifiers can be shared.
fn salt(user: &str) -> [u8; SALT_BYTES] {
    use sha2::Digest as _;
    let digest: [u8; 32] = sha2::Sha256::digest(user.as_bytes()).into();
    let mut salt = [0; SALT_BYTES];
    for (to, from) in salt.iter_mut().zip(digest) {
        *to = from;
    }
    salt
}

impl Session {
    /// Picks a method and sends salt and nonce. An unknown user gets a challenge too.
    pub(super) fn authenticate(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let part = super::part(message, kind::AUTHENTICATION)?;
        let fields = parse_fields(&part.buffer)?;
        let Some((user, methods)) = fields.split_first() else {
            return Err(Malformed("no user name"));
        };
        let offered = |method: Method| {
            methods
                .as_chunks::<2>()
                .0
                .iter()
                .find(|[name, _]| *name == method.name())
                .map(|[_, challenge]| challenge.to_vec())
        };
        let chosen = self
            .shared
            .methods
            .iter()
            .find_map(|method| offered(*method).map(|challenge| (*method, challenge)));
        let Some((method, client_challenge)) = chosen else {
            return Ok(self.refuse_log_on(message, code::AUTHENTICATION));
        };
        let name = String::from_utf8_lossy(user).into_owned();
        let password = match self.shared.user(user) {
            Some(user) => user.password,
            None => format!("{:x}", random::number()),
        };
        let verifier = if self.shared.user(user).is_some() {
            self.shared.verifier(method, &name, &password)
        } else {
            Verifier::new(Method::ScramSha256, &password, salt(&name))
        };
        let challenge = Challenge {
            method,
            user: user.to_vec(),
            client_challenge,
            server_nonce: random::bytes(),
            verifier,
        };
        let rounds = ROUNDS.to_be_bytes();
        let mut data: Vec<&[u8]> = vec![challenge.verifier.salt(), &challenge.server_nonce];
        if method == Method::ScramPbkdf2Sha256 {
            data.push(&rounds);
        }
        let part = authentication::part(&[method.name(), &encode_fields(&data)]);
        self.state = State::Challenged(challenge);
        Ok(Reply::new(function_code::NIL)
            .with(part)
            .answer(self, message))
    }

    /// Checks the proof and opens the session.
    pub(super) fn connect(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let State::Challenged(challenge) = std::mem::replace(&mut self.state, State::New) else {
            return Err(Malformed("CONNECT before AUTHENTICATE"));
        };
        let part = super::part(message, kind::AUTHENTICATION)?;
        let fields = parse_fields(&part.buffer)?;
        let [user, method, proof] = fields.as_slice() else {
            return Err(Malformed("CONNECT has user, method and proof"));
        };
        let known = self.shared.user(user);
        let valid = *user == challenge.user
            && *method == challenge.method.name()
            && challenge.verifier.accepts(
                parse_proof(proof)?,
                &challenge.server_nonce,
                &challenge.client_challenge,
            );
        let Some(user) = known.filter(|_| valid) else {
            return Ok(self.refuse_log_on(message, code::AUTHENTICATION));
        };
        if let Some(code) = self.shared.faults.log_on(&user.name) {
            return Ok(self.refuse_log_on(message, code));
        }
        let client_options = match super::optional_part(message, kind::CONNECT_OPTIONS) {
            Some(part) => options::parse(&part.buffer)?,
            None => Vec::new(),
        };
        self.format = data_format(&client_options);
        self.viewpoint.user = user.name;
        self.viewpoint.schema = user.schema;
        self.state = State::Open;
        self.show_connection();
        let server_proof = match challenge.method {
            // hdbconnect refuses a proof here, and HANA sends none.
            Method::ScramSha256 => Vec::new(),
            Method::ScramPbkdf2Sha256 => {
                let proof = challenge
                    .verifier
                    .server_proof(&challenge.server_nonce, &challenge.client_challenge);
                encode_fields(&[&proof])
            }
        };
        Ok(Reply::new(function_code::NIL)
            .with(authentication::part(&[
                challenge.method.name(),
                &server_proof,
            ]))
            .with(options::part(
                kind::CONNECT_OPTIONS,
                &self.connect_options(),
            ))
            .answer(self, message))
    }

    fn refuse_log_on(&mut self, message: &Message, code: i32) -> Answer {
        self.state = State::New;
        Reply::error(&SqlError::new(code, ""), Severity::Error, None).last_answer(self, message)
    }

    /// Source: the dossier, 2.6. Without option 49 hdbconnect compresses whatever it likes.
    fn connect_options(&self) -> Vec<(u8, OptionValue)> {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        let yes = OptionValue::Boolean(true);
        let id = i32::try_from(self.viewpoint.session).unwrap_or(i32::MAX);
        vec![
            (connect::CONNECTION_ID, OptionValue::Int(id)),
            (connect::SYSTEM_ID, text("HXE")),
            (connect::DATA_FORMAT_2, OptionValue::Int(self.format)),
            (
                connect::FULL_VERSION,
                text(&format!("{VERSION} (fa/CE2024.40)")),
            ),
            (connect::DATABASE_NAME, text("HXE")),
            (connect::IMPLICIT_LOB_STREAMING, yes.clone()),
            (connect::TRANSACTION_FLAGS_ONLY, yes.clone()),
            (connect::LARGE_PARAMETER_COUNT, yes.clone()),
            (connect::LARGE_BULK, yes.clone()),
            (connect::COMPLETE_ARRAY_EXECUTION, yes.clone()),
            (connect::IGNORE_UNKNOWN_PARTS, yes),
            (connect::COMPRESSION, OptionValue::Int(0)),
            (connect::FLAGS, OptionValue::Int(connect::FLAG_CLIENT_PING)),
        ]
    }

    pub(super) fn show_connection(&self) {
        let application = self
            .variables
            .get("APPLICATION")
            .cloned()
            .unwrap_or_default();
        self.shared.engine.set_connection(
            self.viewpoint.session,
            Some(ConnectionRow {
                user: self.viewpoint.user.clone(),
                schema: self.viewpoint.schema.clone(),
                client: application,
                encrypted: self.encrypted,
            }),
        );
    }
}

/// The data format that client and server agree on: the client's, up to 8.
fn data_format(client: &[(u8, OptionValue)]) -> i32 {
    let asked = |wanted: u8| {
        client.iter().find_map(|(id, value)| match value {
            OptionValue::Int(format) if *id == wanted => Some(*format),
            _ => None,
        })
    };
    asked(connect::DATA_FORMAT_2)
        .or_else(|| asked(connect::DATA_FORMAT))
        .unwrap_or(1)
        .clamp(1, 8)
}
