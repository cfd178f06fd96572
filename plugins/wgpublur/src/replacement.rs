// SPDX-License-Identifier: MIT OR Apache-2.0
//! The picture that mode `image` puts in the place of regions.

use std::{io::Cursor, path::Path};

use image::{ImageError, ImageFormat, ImageReader, Limits};
use privacy_shaders::Picture;

use crate::file;

/// Why a picture cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// It is not there, or cannot be read.
    #[error(
        "property \"image-location\" is \"{path}\", which cannot be read: {error}; name a PNG file \
         (l'image « image-location » est illisible ; indiquez un fichier PNG)"
    )]
    Read {
        /// As the property says.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Larger than anything that is shown in 64 × 64 samples has to be.
    #[error(
        "property \"image-location\" is \"{0}\", a file of more than {MAX_FILE} bytes; scale the picture down \
         (l'image « image-location » dépasse {MAX_FILE} octets ; réduisez-la)"
    )]
    Large(String),
    /// It is no PNG, it is damaged, or its picture is too large.
    #[error(
        "property \"image-location\" is \"{path}\", which is no PNG picture of at most {MAX_SIDE}x{MAX_SIDE} \
         pixels: {error}; convert or scale it \
         (l'image « image-location » n'est pas un PNG d'au plus {MAX_SIDE}x{MAX_SIDE} pixels ; \
         convertissez-la ou réduisez-la)"
    )]
    Picture {
        /// As the property says.
        path: String,
        /// Why.
        error: String,
    },
}

/// Loads the picture of the property `image-location`; where it is transparent, `fill` (ARGB) shows.
pub fn load(path: &Path, fill: u32) -> Result<Picture, PictureError> {
    let shown = || path.display().to_string();
    let bytes = match file::read(path, MAX_FILE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(PictureError::Large(shown())),
        Err(error) => {
            return Err(PictureError::Read {
                path: shown(),
                error,
            });
        }
    };
    let refused = |error: String| PictureError::Picture {
        path: shown(),
        error,
    };
    let rgba = decode(&bytes)
        .map_err(|error| refused(error.to_string()))?
        .into_rgba8();
    let (width, height) = rgba.dimensions();
    Picture::new(rgba.as_raw(), width, height, fill)
        .ok_or_else(|| refused("it is empty".to_owned()))
}

fn decode(bytes: &[u8]) -> Result<image::DynamicImage, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    // A small file may hold a huge picture.
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    reader.limits(limits);
    reader.decode()
}

/// Bytes.
const MAX_FILE: u64 = 16 << 20;
/// Pixels.
const MAX_SIDE: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image::RgbaImage::from_pixel(width, height, image::Rgba([9, 8, 7, 255]))
            .write_to(&mut bytes, ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn pictures_are_loaded_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logo.png");
        let error = load(&path, 0).unwrap_err().to_string();
        assert!(
            error.contains("logo.png") && error.contains("indiquez"),
            "{error}"
        );
        let with = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            load(&path, 0)
        };
        assert!(with(&png(3, 5)).is_ok());
        assert!(with(&png(1, 1)).is_ok());
        let whole = png(60, 60);
        for bad in [
            &[][..],
            b"GIF89a",
            &whole[..whole.len() / 2],
            &png(MAX_SIDE + 1, 1),
        ] {
            let refused = with(bad).map(|_| ());
            assert!(
                matches!(refused, Err(PictureError::Picture { .. })),
                "{refused:?}"
            );
        }
        let large = vec![0; MAX_FILE as usize + 1];
        assert!(matches!(with(&large), Err(PictureError::Large(_))));
        assert!(matches!(
            load(dir.path(), 0),
            Err(PictureError::Read { .. })
        ));
    }

    #[test]
    fn any_bytes_are_a_picture_or_an_error() {
        let whole = png(17, 9);
        let mut seed = 3u64;
        let mut next = move |below: usize| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        let mut refused = 0;
        for _ in 0..500 {
            let mut bytes = whole.clone();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
            }
            bytes.truncate(next(bytes.len()) + 1);
            refused += u32::from(decode(&bytes).is_err());
        }
        assert!(refused > 400, "{refused}");
    }
}
