//! Users of Tenure: passwords, lockout, one-time codes, sessions.

use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenure_core::time::Timestamp;
use tenure_store::Batch;

use super::audit::{Actor, Change, Origin};
use super::clients::not_found;
use super::directory::{Access, OneTime, User, collection};
use super::principal::{Principal, PrincipalKind};
use super::registrar::{Registrar, check_name};
use super::role::Role;
use super::scope::Scopes;
use super::secret;
use crate::error::AppError;
use crate::records::record;

/// For how long a session lasts, in milliseconds: a working day.
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1_000;
/// How short a password may be, in characters, and how long, in bytes.
const PASSWORD_CHARS_MIN: usize = 12;
const PASSWORD_BYTES_MAX: usize = 1_024;
/// After so many wrong passwords in a row the delay begins.
const FREE_FAILURES: u32 = 5;
/// The first delay in milliseconds; it doubles with each further wrong password.
const LOCK_MS: i64 = 15_000;
/// The longest delay in milliseconds.
const LOCK_MAX_MS: i64 = 60 * 60 * 1_000;
/// How many passwords are looked at, at once.
const HASHING_MAX: usize = 4;
/// The most users of a workspace.
const USERS_MAX: usize = 10_000;
/// Length of a time step of one-time codes in seconds, RFC 6238.
const STEP_S: u64 = 30;

/// A user to add.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Address to sign in with.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// What they are to be.
    pub role: Role,
    /// Password; without one they cannot sign in until one is set.
    pub password: Option<String>,
    /// As whom accounts name them; the address when left out.
    pub owner: Option<String>,
}

impl NewUser {
    /// Whether name, address and password are such as a user may have.
    pub fn check(&self) -> Result<(), AppError> {
        check_name(&self.name)?;
        check_email(&self.email.trim().to_lowercase())?;
        self.password.as_deref().map_or(Ok(()), check_password)
    }
}

/// Who sets a server up.
#[derive(Debug, Clone)]
pub struct FirstUser {
    /// Address to sign in with.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// Password.
    pub password: String,
}

/// What to change of a user; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Name for people.
    pub name: Option<String>,
    /// What they are.
    pub role: Option<Role>,
    /// As whom accounts name them.
    pub owner: Option<String>,
    /// Whether they may sign in.
    pub active: Option<bool>,
    /// New password; ends their sessions.
    pub password: Option<String>,
    /// Asks for no one-time code any more.
    pub clear_one_time: bool,
}

/// Why somebody could not sign in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignInFault {
    /// Address or password is wrong. Which of them is not said.
    #[error("the address or the password is wrong")]
    Wrong,
    /// Too many wrong passwords.
    #[error("too many wrong passwords; try again later")]
    Locked,
    /// A one-time code is wanted, or the one given is wrong.
    #[error("a one-time code of your authenticator is needed")]
    OneTimeCode,
    /// The server failed.
    #[error("{0}")]
    Server(AppError),
}

impl From<AppError> for SignInFault {
    fn from(error: AppError) -> Self {
        Self::Server(error)
    }
}

/// A session that was opened.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The cookie's value.
    pub secret: String,
    /// Who.
    pub user: User,
}

#[derive(Serialize, Deserialize)]
struct Session {
    user: String,
    created_at: Timestamp,
}

#[derive(Serialize)]
struct UserFacts<'a> {
    role: Role,
    owner: bool,
    active: bool,
    one_time_codes: bool,
    name: &'a str,
}

/// What the audit trail says of a user: never the address.
fn facts(user: &User) -> UserFacts<'_> {
    UserFacts {
        role: user.role,
        owner: user.owner != user.email,
        active: user.active,
        one_time_codes: user.has_one_time_codes(),
        name: &user.name,
    }
}

impl User {
    /// The user as a caller with these scopes, as far as the role has them.
    pub fn principal(&self, scopes: Scopes) -> Principal {
        Principal {
            kind: PrincipalKind::User,
            id: self.id.clone(),
            name: self.name.clone(),
            scopes: scopes.intersection(self.role.scopes()),
            own_accounts_of: self.role.own_accounts_only().then(|| self.owner.clone()),
        }
    }
}

impl Access {
    /// Lets sessions last so many milliseconds of the node's clock, instead of [`SESSION_MS`]: a
    /// demo's clock runs ahead of the one on the wall.
    pub fn set_session_ms(&self, session_ms: i64) {
        self.session_ms.store(session_ms, Ordering::Relaxed);
    }

    /// Users in the order of their ids.
    pub fn users(&self) -> Vec<User> {
        self.directory.read().users.values().cloned().collect()
    }

    /// One user.
    pub fn user(&self, id: &str) -> Option<User> {
        self.directory.read().users.get(id).cloned()
    }

    /// Whether there is anybody who could sign in.
    pub fn has_users(&self) -> bool {
        !self.directory.read().users.is_empty()
    }

    fn user_of(&self, email: &str) -> Option<User> {
        let email = email.trim().to_lowercase();
        let directory = self.directory.read();
        directory
            .users
            .values()
            .find(|user| user.email == email)
            .cloned()
    }
}

/// What protects a session's forms: known to who holds the cookie, useless without it.
pub fn csrf_token(session: &str) -> String {
    secret::digest(&format!("csrf of {session}"))
}

impl Registrar<'_> {
    /// Adds a user.
    pub fn create_user(&self, new: NewUser, by: &Actor) -> Result<User, AppError> {
        self.check_may_grant(by, new.role)?;
        let user = self.draft_user(new)?;
        let _changing = self.access.changing.lock();
        self.insert_user(user, by)
    }

    /// Makes the first user, who is owner, and signs them in. The caller has proven that they may:
    /// there is nobody yet to allow it.
    pub fn set_up(&self, new: FirstUser, origin: Origin) -> Result<SignedIn, AppError> {
        let user = self.draft_user(NewUser {
            email: new.email,
            name: new.name,
            role: Role::Owner,
            password: Some(new.password),
            owner: None,
        })?;
        let by = Actor::of(&user.principal(Scopes::all()), origin.clone());
        let user = {
            let _changing = self.access.changing.lock();
            if self.access.has_users() {
                return Err(AppError::Conflict(
                    "there are users already; sign in, or ask an owner to add you".into(),
                ));
            }
            self.insert_user(user, &by)?
        };
        self.open_session(user, origin)
    }

    /// A user who is not kept yet.
    fn draft_user(&self, new: NewUser) -> Result<User, AppError> {
        new.check()?;
        let email = new.email.trim().to_lowercase();
        let password = new.password.map(|password| self.hash(&password));
        Ok(User {
            id: secret::id("usr_", self.random),
            owner: new.owner.unwrap_or_else(|| email.clone()),
            email,
            name: new.name,
            role: new.role,
            active: true,
            created_at: self.now,
            password: password.transpose()?,
            one_time: None,
            failure_count: 0,
            locked_until: None,
            valid_from: self.now,
        })
    }

    /// Adds a user, while nobody else changes anything.
    fn insert_user(&self, user: User, by: &Actor) -> Result<User, AppError> {
        if self.access.user_of(&user.email).is_some() {
            return Err(AppError::Conflict(
                "there is a user with this address already".into(),
            ));
        }
        if self.access.directory.read().users.len() >= USERS_MAX {
            return Err(AppError::Conflict(format!(
                "there are {USERS_MAX} users already"
            )));
        }
        let change = Change::new("user.create", &user.id).after(facts(&user));
        self.put_user(&user, change, by)?;
        Ok(user)
    }

    /// Changes a user. There is always an owner who can sign in.
    pub fn change_user(&self, id: &str, wanted: UserChange, by: &Actor) -> Result<User, AppError> {
        if let Some(name) = &wanted.name {
            check_name(name)?;
        }
        let password = wanted
            .password
            .map(|password| self.hash(&password))
            .transpose()?;
        let _changing = self.access.changing.lock();
        let before = self.access.user(id).ok_or_else(|| not_found("user", id))?;
        self.check_may_grant(by, before.role)?;
        let mut user = before.clone();
        user.role = wanted.role.unwrap_or(user.role);
        self.check_may_grant(by, user.role)?;
        user.name = wanted.name.unwrap_or(user.name);
        user.owner = wanted.owner.unwrap_or(user.owner);
        user.active = wanted.active.unwrap_or(user.active);
        if password.is_some() {
            (user.failure_count, user.locked_until) = (0, None);
            user.password = password;
        }
        if wanted.clear_one_time {
            user.one_time = None;
        }
        if user.role != before.role || !user.active || user.password != before.password {
            user.valid_from = self.now;
        }
        self.check_owner_stays(&before, Some(&user))?;
        let change = Change::new("user.change", id)
            .before(facts(&before))
            .after(facts(&user));
        self.put_user(&user, change, by)?;
        Ok(user)
    }

    /// Removes a user.
    pub fn delete_user(&self, id: &str, by: &Actor) -> Result<(), AppError> {
        let _changing = self.access.changing.lock();
        let user = self.access.user(id).ok_or_else(|| not_found("user", id))?;
        self.check_may_grant(by, user.role)?;
        self.check_owner_stays(&user, None)?;
        let change = Change::new("user.delete", id).before(facts(&user));
        self.take((collection::USER, id), change, by, |directory| {
            directory.users.remove(id);
        })
    }

    /// Opens a session for who knows the password (and the one-time code).
    pub fn sign_in(
        &self,
        email: &str,
        password: &str,
        code: Option<&str>,
        origin: Origin,
    ) -> Result<SignedIn, SignInFault> {
        let found = self.access.user_of(email).filter(|user| user.active);
        let hash = found.as_ref().and_then(|user| user.password.clone());
        if found.as_ref().is_some_and(|user| self.is_locked(user)) {
            return Err(SignInFault::Locked);
        }
        let right = {
            let _slot = Slot::take(&self.access.hashing_count)?;
            verify(hash.as_deref(), password)
        };
        let Some(user) = found else {
            return Err(SignInFault::Wrong);
        };
        let _changing = self.access.changing.lock();
        // What was read before the lock may be over.
        let Some(mut user) = self
            .access
            .user(&user.id)
            .filter(|now| now.password == user.password)
        else {
            return Err(SignInFault::Wrong);
        };
        if self.is_locked(&user) {
            return Err(SignInFault::Locked);
        }
        if !right {
            self.note_failure(user, origin)?;
            return Err(SignInFault::Wrong);
        }
        if user.has_one_time_codes() && !self.use_code(&mut user, code.unwrap_or_default()) {
            // Only a wrong code counts as an attempt; a missing one is asked for.
            if code.is_some() {
                self.note_failure(user, origin)?;
            }
            return Err(SignInFault::OneTimeCode);
        }
        (user.failure_count, user.locked_until) = (0, None);
        Ok(self.open_session(user, origin)?)
    }

    /// Opens a session for a user who has proven who they are.
    fn open_session(&self, user: User, origin: Origin) -> Result<SignedIn, AppError> {
        let secret = secret::secret("ses_", self.random);
        let session = Session {
            user: user.id.clone(),
            created_at: self.now,
        };
        let session_ms = self.access.session_ms.load(Ordering::Relaxed);
        let until = self.now.plus_ms(session_ms);
        let actor = Actor::of(&user.principal(Scopes::all()), origin);
        self.commit(Batch {
            records: vec![
                record(
                    collection::SESSION,
                    &secret::digest(&secret),
                    until,
                    &session,
                ),
                record(collection::USER, &user.id, user.created_at, &user),
            ],
            audit: vec![Change::new("user.sign-in", &user.id).by(&actor)],
            ..Batch::default()
        })?;
        let mut directory = self.access.directory.write();
        directory.users.insert(user.id.clone(), user.clone());
        Ok(SignedIn { secret, user })
    }

    /// The user of a session, if it is not over.
    pub fn session(&self, secret: &str) -> Result<Option<User>, AppError> {
        let session: Option<Session> =
            self.passing(collection::SESSION, &secret::digest(secret))?;
        Ok(session.and_then(|session| {
            let user = self.access.user(&session.user)?;
            (user.active && session.created_at >= user.valid_from).then_some(user)
        }))
    }

    /// Ends a session.
    pub fn sign_out(&self, secret: &str) -> Result<(), AppError> {
        self.commit(Batch {
            records_removed: vec![(
                collection::SESSION.into(),
                secret::digest(secret).as_str().into(),
            )],
            ..Batch::default()
        })
    }

    /// Prepares one-time codes; answers the secret for an authenticator in base 32. They are asked
    /// for after [`Registrar::confirm_one_time`].
    pub fn begin_one_time(&self, id: &str, by: &Actor) -> Result<String, AppError> {
        let _changing = self.access.changing.lock();
        let mut user = self.access.user(id).ok_or_else(|| not_found("user", id))?;
        if user.has_one_time_codes() {
            return Err(AppError::Conflict("one-time codes are on already".into()));
        }
        let mut secret = [0; 20];
        secret.copy_from_slice(&self.random.draw()[..20]);
        user.one_time = Some(OneTime {
            secret,
            confirmed: false,
            last_step: 0,
        });
        self.put_user(&user, Change::new("user.one-time.begin", id), by)?;
        Ok(base32(&secret))
    }

    /// Turns one-time codes on, with the first right one.
    pub fn confirm_one_time(&self, id: &str, code: &str, by: &Actor) -> Result<(), AppError> {
        let _changing = self.access.changing.lock();
        let mut user = self.access.user(id).ok_or_else(|| not_found("user", id))?;
        if !self.use_code(&mut user, code) {
            return Err(AppError::Invalid {
                field: "code".into(),
                message: "is not right; check the clock of the authenticator".into(),
            });
        }
        if let Some(codes) = &mut user.one_time {
            codes.confirmed = true;
        }
        self.put_user(&user, Change::new("user.one-time.confirm", id), by)
    }

    fn use_code(&self, user: &mut User, code: &str) -> bool {
        let Some(codes) = &mut user.one_time else {
            return false;
        };
        let step = self.now.0 as u64 / 1_000 / STEP_S;
        let fits = |step: &u64| {
            *step > codes.last_step
                && secret::same(&one_time_code(&codes.secret, *step), code.trim())
        };
        // One step to either side, for clocks that differ; none twice.
        let Some(step) = (step.saturating_sub(1)..=step + 1).find(fits) else {
            return false;
        };
        codes.last_step = step;
        true
    }

    fn is_locked(&self, user: &User) -> bool {
        user.locked_until.is_some_and(|until| self.now < until)
    }

    fn note_failure(&self, mut user: User, origin: Origin) -> Result<(), AppError> {
        user.failure_count = user.failure_count.saturating_add(1);
        if let Some(beyond) = user.failure_count.checked_sub(FREE_FAILURES) {
            let delay_ms = LOCK_MS.saturating_mul(1_i64 << beyond.min(20));
            user.locked_until = Some(self.now.plus_ms(delay_ms.min(LOCK_MAX_MS)));
        }
        let change = Change::new("user.sign-in-failed", &user.id)
            .after(json!({"failure_count": user.failure_count}));
        self.put_user(&user, change, &Actor::nobody(origin))
    }

    /// What a caller who is a user may give or take is bounded by their own role. Tokens and
    /// commands may do all, as they could before there were users.
    fn check_may_grant(&self, by: &Actor, role: Role) -> Result<(), AppError> {
        let granter = self.access.user(&by.id);
        if granter.is_some_and(|granter| !granter.role.may_grant(role)) {
            return Err(AppError::Conflict(format!(
                "your role may not give or change the role `{}`",
                role.as_str()
            )));
        }
        Ok(())
    }

    fn check_owner_stays(&self, before: &User, after: Option<&User>) -> Result<(), AppError> {
        let leads = |user: &User| user.role == Role::Owner && user.active;
        if !leads(before) || after.is_some_and(leads) {
            return Ok(());
        }
        let directory = self.access.directory.read();
        let others = directory
            .users
            .values()
            .any(|user| user.id != before.id && leads(user));
        if others {
            return Ok(());
        }
        Err(AppError::Conflict(
            "this is the last owner; make somebody else owner first".into(),
        ))
    }

    fn hash(&self, password: &str) -> Result<String, AppError> {
        check_password(password)?;
        let hashed = Argon2::default()
            .hash_password_with_salt(password.as_bytes(), &self.random.draw()[..16]);
        let hash: Result<PasswordHash, _> = hashed;
        hash.map(|hash| hash.to_string())
            .map_err(|error| AppError::Conflict(format!("the password cannot be hashed: {error}")))
    }

    fn put_user(&self, user: &User, change: Change, by: &Actor) -> Result<(), AppError> {
        let record = record(collection::USER, &user.id, user.created_at, user);
        self.put(record, change, by, |directory| {
            directory.users.insert(user.id.clone(), user.clone());
        })
    }
}

/// The right to look at a password: each takes 19 MiB and a core for a moment, so there are few.
struct Slot<'a>(&'a AtomicUsize);

impl<'a> Slot<'a> {
    fn take(count: &'a AtomicUsize) -> Result<Self, AppError> {
        let before = count.fetch_add(1, Ordering::AcqRel);
        let slot = Self(count);
        (before < HASHING_MAX).then_some(slot).ok_or(AppError::Busy)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether a password is right. Takes as long when there is none to compare with, so that it does
/// not tell whether an address is known.
fn verify(hash: Option<&str>, password: &str) -> bool {
    /// Argon2id of a password that nobody knows, with the same parameters.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let parsed = PasswordHash::new(hash.unwrap_or(NOBODY));
    let right = parsed.is_ok_and(|parsed| {
        Argon2::default()
            .verify_password(password.as_bytes(), &parsed)
            .is_ok()
    });
    right && hash.is_some()
}

fn check_password(password: &str) -> Result<(), AppError> {
    let invalid = |message: String| AppError::Invalid {
        field: "password".into(),
        message,
    };
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(invalid(format!(
            "must have at least {PASSWORD_CHARS_MIN} characters"
        )));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(invalid(format!(
            "must have at most {PASSWORD_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn check_email(email: &str) -> Result<(), AppError> {
    let parts = email.split_once('@');
    let right = email.len() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    if right {
        return Ok(());
    }
    Err(AppError::Invalid {
        field: "email".into(),
        message: "must be an e-mail address".into(),
    })
}

/// The one-time code of a time step: RFC 6238 with SHA-1 and six digits, as all authenticators
/// have it. Over ring's HMAC it is too short for a dependency.
fn one_time_code(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes[19] & 15);
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[offset..offset + 4]);
    let number = u32::from_be_bytes(number) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// RFC 4648, section 6, without padding: what authenticators read.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        for index in 0..(chunk.len() * 8).div_ceil(5) {
            let digit = (bits >> (35 - 5 * index)) & 31;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

/// The code that an authenticator would show.
#[cfg(test)]
pub(super) fn code_for_tests(access: &Access, id: &str, at_ms: i64) -> String {
    let secret = access.user(id).and_then(|user| user.one_time);
    let secret = secret.map(|codes| codes.secret).unwrap_or_default();
    one_time_code(&secret, at_ms as u64 / 1_000 / STEP_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_time_codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, cut to six digits.
        let secret = b"12345678901234567890";
        for (at_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(one_time_code(secret, at_s / STEP_S), code);
        }
        assert_eq!(base32(secret), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(base32(b"foo"), "MZXW6");
    }

    #[test]
    fn only_so_many_passwords_are_looked_at_at_once() {
        let count = AtomicUsize::new(0);
        let mut slots: Vec<_> = (0..HASHING_MAX)
            .map(|_| Slot::take(&count).ok().unwrap())
            .collect();
        assert!(matches!(Slot::take(&count), Err(AppError::Busy)));
        slots.pop();
        assert!(Slot::take(&count).is_ok());
    }

    #[test]
    fn an_unknown_address_costs_as_much_as_a_wrong_password() {
        assert!(!verify(None, "whatever it is"));
        // The stand-in is well-formed, so that the work is done.
        let stand_in = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(PasswordHash::new(stand_in).is_ok());
    }
}
