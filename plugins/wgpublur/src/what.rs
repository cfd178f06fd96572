// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to mask, and with what: the properties that name lists and files, read when the element starts.

use privacy_shaders::Picture;

use crate::{
    classes::{Classes, ClassesError, SolidClasses},
    replacement::{self, PictureError},
    settings::{DEFAULT_SOLID_CLASSES, Settings, SettingsError},
    zones::{Zones, ZonesError},
};

/// Read once for a run.
#[derive(Debug)]
pub struct What {
    /// Classes to mask, as the properties say.
    pub classes: Classes,
    /// Classes that are filled with one colour.
    pub solid: SolidClasses,
    /// The file of zones, if there is one. Which view of it, `camera` and [`crate::settings::Live::preset`] say.
    pub zones: Option<Zones>,
    /// Name of the camera; `None` for the purpose's.
    pub camera: Option<String>,
    /// The picture of mode image, if there is one.
    pub picture: Option<Picture>,
}

/// Why the element must not start.
#[derive(Debug, thiserror::Error)]
pub enum WhatError {
    /// Properties that cannot be meant.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Lists of classes.
    #[error(transparent)]
    Classes(#[from] ClassesError),
    /// The file of zones.
    #[error(transparent)]
    Zones(#[from] ZonesError),
    /// The picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl What {
    /// Checks all settings but those of the backend, and reads the files that they name.
    pub fn load(settings: &Settings) -> Result<Self, WhatError> {
        settings.check()?;
        let (zones, image) = (&settings.zones, &settings.image_location);
        Ok(Self {
            classes: Classes::parse(&settings.classes, &settings.exclude_classes)?,
            solid: SolidClasses::parse(&settings.solid_classes, DEFAULT_SOLID_CLASSES)?,
            zones: match zones.as_os_str().is_empty() {
                true => None,
                false => Some(Zones::load(zones)?),
            },
            camera: (!settings.camera.is_empty()).then(|| settings.camera.clone()),
            picture: match image.as_os_str().is_empty() {
                true => None,
                false => Some(replacement::load(image, settings.live.fill_color)?),
            },
        })
    }
}
