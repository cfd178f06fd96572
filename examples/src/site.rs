// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a site has before any image flows: the authority's key, signed mandates and a register, made
//! with `privacyctl` under the output folder.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use jiff::Zoned;
use privacy_policy::{Form, Rules, needs_second_person};

/// The folder `examples/out`.
pub struct Site {
    out: PathBuf,
    privacyctl: PathBuf,
}

impl Site {
    /// Makes what is missing in `out`: keys and register stay from run to run, as on a real site; the
    /// mandates are for today and are signed afresh.
    ///
    /// # Errors
    /// When `privacyctl` fails; its message is in the error.
    pub fn prepare(out: &Path, privacyctl: &Path, forms: &Path) -> Result<Self> {
        let site = Self {
            out: out.to_owned(),
            privacyctl: privacyctl.to_owned(),
        };
        for folder in ["keys", "mandates"] {
            fs::create_dir_all(out.join(folder))
                .with_context(|| format!("cannot make {}", out.join(folder).display()))?;
        }
        if !site.trusted_keys().exists() {
            site.call([
                "key".as_ref(),
                "new".as_ref(),
                "--out".as_ref(),
                out.join("keys/authority").as_os_str(),
            ])?;
        }
        if !out.join("keys/second.pub").exists() {
            site.call([
                "key".as_ref(),
                "new".as_ref(),
                "--out".as_ref(),
                out.join("keys/second").as_os_str(),
            ])?;
        }
        if !site.register().join("checkpoint").exists() {
            site.call([
                "register".as_ref(),
                "init".as_ref(),
                site.register().as_os_str(),
                "--origin".as_ref(),
                "example.invalid/gst-privacy/quickstart".as_ref(),
            ])?;
        }
        let mut templates: Vec<_> = fs::read_dir(forms)
            .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
            .with_context(|| format!("cannot read {}", forms.display()))?;
        templates.retain(|path| path.extension() == Some(OsStr::new("toml")));
        for template in templates {
            site.sign(&template)?;
        }
        Ok(site)
    }

    /// Public key that mandates must be signed with.
    pub fn trusted_keys(&self) -> PathBuf {
        self.out.join("keys/authority.pub")
    }

    /// The signed mandate made from the form of this name.
    pub fn mandate(&self, name: &str) -> PathBuf {
        self.out
            .join("mandates")
            .join(name)
            .with_extension("biscuit")
    }

    /// Folder of the register.
    pub fn register(&self) -> PathBuf {
        self.out.join("register")
    }

    /// Checks the register as an inspector would; the tool's own words, and whether it holds.
    ///
    /// # Errors
    /// When the tool cannot be started.
    pub fn verify_register(&self) -> Result<(bool, String)> {
        let output = Command::new(&self.privacyctl)
            .args([
                "register".as_ref(),
                "verify".as_ref(),
                self.register().as_os_str(),
            ])
            .output()
            .with_context(|| format!("cannot start {}", self.privacyctl.display()))?;
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        Ok((output.status.success(), words))
    }

    /// Number of entries in the register: the second line of its checkpoint (C2SP tlog-checkpoint).
    ///
    /// # Errors
    /// When there is no readable checkpoint.
    pub fn entries(&self) -> Result<u64> {
        let path = self.register().join("checkpoint");
        let checkpoint =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        checkpoint
            .lines()
            .nth(1)
            .and_then(|size| size.parse().ok())
            .with_context(|| format!("{} is no checkpoint", path.display()))
    }

    /// Fills the dates and identifiers of a form in, and signs it.
    fn sign(&self, template: &Path) -> Result<()> {
        let name = template.file_stem().unwrap_or_default();
        let text = fs::read_to_string(template)
            .with_context(|| format!("cannot read {}", template.display()))?;
        let form = self.out.join("mandates").join(name).with_extension("toml");
        let filled = gst_privacy_examples::fill(
            &text,
            Zoned::now().in_tz("Europe/Paris")?.date(),
            &Rules::builtin().version,
            &uuid::Uuid::new_v4().to_string(),
        );
        fs::write(&form, &filled).with_context(|| format!("cannot write {}", form.display()))?;
        let key = self.out.join("keys/authority.key");
        let token = form.with_extension("biscuit");
        self.call([
            "mandate".as_ref(),
            "sign".as_ref(),
            form.as_os_str(),
            "--key".as_ref(),
            key.as_os_str(),
            "--out".as_ref(),
            token.as_os_str(),
        ])?;
        let rules = Rules::builtin();
        let parsed = Form::parse(&filled)?;
        if rules
            .purpose(&parsed.purpose_id)
            .is_some_and(|purpose| needs_second_person(purpose, &parsed))
        {
            self.call([
                "mandate".as_ref(),
                "countersign".as_ref(),
                token.as_os_str(),
                "--key".as_ref(),
                self.trusted_keys().as_os_str(),
                "--with".as_ref(),
                self.out.join("keys/second.key").as_os_str(),
                "--name".as_ref(),
                "Première adjointe".as_ref(),
                "--role".as_ref(),
                "élue de permanence".as_ref(),
                "--out".as_ref(),
                token.as_os_str(),
            ])?;
        }
        Ok(())
    }

    fn call<'a>(&self, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<String> {
        let mut command = Command::new(&self.privacyctl);
        command.args(arguments);
        let output = command
            .output()
            .with_context(|| format!("cannot start {}", self.privacyctl.display()))?;
        if !output.status.success() {
            bail!(
                "{command:?} failed ({}):\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        String::from_utf8(output.stdout).context("privacyctl printed no UTF-8")
    }
}
