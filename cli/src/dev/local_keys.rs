//! The local server's secrets: made at the first start, kept beside the data, the same at every start after it.

use std::{fs, io::Write as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use shared::{
    entropy::{Entropy, SystemEntropy},
    hash_key::KeyedHash,
    jwt::SigningKeySet,
};

use crate::failure::Failure;

pub(crate) struct LocalKeys {
    /// As a function finds it in `PUBLIC_URL`: the address of the first start, so that tokens outlive a change of port.
    pub(crate) public_url: String,
    /// Everything else is derived from it, so that the tables need to hold hashes only.
    root: KeyedHash,
    /// As a function finds them in `SIGNING_KEYS`.
    pub(crate) signing_keys: String,
}

impl LocalKeys {
    /// Keys that end with the process.
    pub(crate) fn ephemeral(base_url: &str) -> Result<Self, Failure> {
        Self::of(&new_root(), new_signing_keys()?, format!("{base_url}/"))
    }

    /// The folder's keys; what is missing is made.
    pub(crate) fn open(folder: &Path, base_url: &str) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| Failure::new(format!("--data {}: {error}", folder.display())))?;
        let root = read_or_make(&folder.join("local.key"), || Ok(new_root()))?;
        let signing_keys = read_or_make(&folder.join("signing-keys.json"), new_signing_keys)?;
        let public_url = read_or_make(&folder.join("public-url"), || Ok(format!("{base_url}/")))?;
        Self::of(&root, signing_keys, public_url)
    }

    fn of(root: &str, signing_keys: String, public_url: String) -> Result<Self, Failure> {
        let root = STANDARD.decode(root.trim()).map_err(|_| Failure::new("local.key is not base64"))?;
        Ok(Self { root: KeyedHash::new(&root)?, signing_keys, public_url })
    }

    /// 32 bytes that are always the same for the same purpose.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        self.root.bytes(&[purpose])
    }

    /// Bytes that are always the same for the same purpose.
    pub(crate) fn stream(&self, purpose: &str) -> impl Entropy {
        Derived(self.derive(purpose))
    }

    /// As a function finds it in `HASH_KEY`.
    pub(crate) fn hash_key(&self) -> String {
        STANDARD.encode(self.derive("hash key"))
    }

    /// As a function finds it in `TOTP_KEY`.
    pub(crate) fn totp_key(&self) -> String {
        STANDARD.encode(self.derive("totp key"))
    }
}

/// Thirty-two bytes again and again: enough for one thing that is drawn from it.
#[derive(Debug)]
struct Derived([u8; 32]);

impl Entropy for Derived {
    fn fill(&self, buffer: &mut [u8]) {
        for (byte, derived) in buffer.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *derived;
        }
    }
}

fn new_root() -> String {
    let entropy: &dyn Entropy = &SystemEntropy;
    STANDARD.encode(entropy.bytes::<32>())
}

fn new_signing_keys() -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(&SigningKeySet::generate(&SystemEntropy)?)?)
}

/// A file that is written whole or not at all, readable by its owner only.
fn read_or_make(path: &Path, make: impl FnOnce() -> Result<String, Failure>) -> Result<String, Failure> {
    let failure = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    match fs::read_to_string(path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failure(error)),
    }
    let text = make()?;
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished).map_err(failure)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failure)?;
    fs::rename(&unfinished, path).map_err(failure)?;
    Ok(text)
}
