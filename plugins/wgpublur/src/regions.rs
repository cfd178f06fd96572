// SPDX-License-Identifier: MIT OR Apache-2.0
//! From objects and zones to the regions of a frame: padding, outlines, and when the whole frame is cheaper
//! and safer.
//!
//! Written in this order, so that what must not be seen at all lies on top: what surrounds the clear boxes
//! (`invert`), objects, objects in one colour (plates, text), zones.

use std::sync::Arc;

use privacy_shaders::{Format, Rect, Region, Runs, Shape};

use crate::{hold::Object, settings::Live, verdict::Demand, wgpublur, what::What, zones::Zone};

/// Added above a box, as a share of its height, besides the padding: detectors cut hair and hats.
const HEADROOM: f64 = 0.1;

/// Least padding of what carries text, unless none is asked for: a plate's box that is cut by 15 % at each
/// end still covers every letter, 0.15 / 0.7 = 0.214.
const TEXT_PADDING: f64 = 0.25;

/// When regions add up to more than this many frames, the whole frame is masked instead: it shows
/// less and bounds the work, whatever a broken detector sends.
const MAX_FRAMES: u64 = 4;

/// Key of what is masked because of no object. Those of objects begin at 1.
const NO_OBJECT: u64 = 0;

/// The frames that regions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// Layout of the samples.
    pub format: Format,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Two fields, row by row.
    pub interlaced: bool,
}

/// There are more regions than are masked one by one: the whole frame has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// The view of a camera that zones were made for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    canvas: Canvas,
    camera: String,
    preset: Arc<str>,
    is_known: bool,
}

/// The regions of a frame. Kept from frame to frame, it allocates nothing once it has warmed up.
///
/// For each frame: [`Regions::look`], then [`Regions::draw`] or [`Regions::whole`], then
/// [`Regions::regions`] and [`Regions::runs`] for [`privacy_shaders::Work`].
#[derive(Debug, Default)]
pub struct Regions {
    view: Option<View>,
    regions: Vec<Region>,
    /// One for each zone, and after them what surrounds the clear boxes.
    runs: Vec<Runs>,
    zones: Vec<Region>,
    solid: Vec<Region>,
    sweep: Sweep,
}

/// Memory of [`Regions::share`].
#[derive(Debug, Default)]
struct Sweep {
    /// Rectangles and their regions, from top to bottom.
    rects: Vec<(Rect, Region)>,
    edges: Vec<u32>,
    spans: Vec<[u32; 2]>,
}

impl Regions {
    /// Looks up what the camera sees on frames of this kind, and makes its zones ready; only when
    /// something has changed it does any work. The camera is that of the properties, else the purpose's.
    ///
    /// `false` for a view that the file of zones does not know: the whole frame has to be masked.
    #[must_use]
    pub fn look(
        &mut self,
        canvas: Canvas,
        what: &What,
        demand: &Demand,
        preset: &Arc<str>,
    ) -> bool {
        let camera = match (&what.camera, demand) {
            (Some(camera), _) => camera,
            (None, Demand::Declared(purpose)) => &*purpose.camera,
            (None, _) => "",
        };
        if let Some(v) = &self.view
            && v.canvas == canvas
            && v.camera == camera
            && v.preset == *preset
        {
            return v.is_known;
        }
        let zones = match &what.zones {
            None => Some(&[][..]),
            Some(zones) => zones.view(camera, preset),
        };
        self.set_zones(canvas, zones.unwrap_or_default());
        let is_known = zones.is_some();
        self.view = Some(View {
            canvas,
            camera: camera.to_owned(),
            preset: Arc::clone(preset),
            is_known,
        });
        is_known
    }

    fn set_zones(&mut self, canvas: Canvas, zones: &[Zone]) {
        let Canvas {
            width,
            height,
            interlaced,
            ..
        } = canvas;
        self.runs.resize_with(zones.len() + 1, Runs::default);
        self.zones.clear();
        for (index, (zone, runs)) in zones.iter().zip(&mut self.runs).enumerate() {
            let corners = zone.in_pixels(width, height);
            runs.polygon(&corners, width, height, interlaced);
            // The polygon's own rectangle, so that no more rows are gone through than it has.
            let [mut left, mut top] = [f64::from(width), f64::from(height)];
            let [mut right, mut bottom] = [0.0f64; 2];
            for [x, y] in corners {
                (left, top) = (left.min(x), top.min(y));
                (right, bottom) = (right.max(x), bottom.max(y));
            }
            // One pixel more on each side: a polygon along a pixel's edge touches it.
            let outward = [left - 1.0, top - 1.0, right + 1.0, bottom + 1.0];
            self.zones.push(Region {
                // There are at most `zones::MAX_ZONES`.
                shape: Shape::Runs(index as u32),
                solid: true,
                ..rectangle(outward, NO_OBJECT)
            });
        }
    }

    /// Draws the objects, each with whether it is filled with one colour, and the zones. With `clear`,
    /// everything else is masked too, but for these rectangles.
    pub fn draw<'a>(
        &mut self,
        objects: impl Iterator<Item = (&'a Object, bool)>,
        clear: Option<&[Rect]>,
        live: &Live,
    ) -> Result<(), TooMany> {
        self.regions.clear();
        self.solid.clear();
        let Some(View { canvas, .. }) = self.view else {
            return Err(TooMany);
        };
        let Canvas {
            format,
            width,
            height,
            interlaced,
        } = canvas;
        if let (Some(clear), Some(runs)) = (clear, self.runs.last_mut()) {
            runs.except(width, height, clear, interlaced);
            self.regions.push(Region {
                shape: Shape::Runs(self.zones.len() as u32),
                key: NO_OBJECT,
                remember: true,
                ..Region::whole(width, height)
            });
        }
        let mut area = 0u64;
        for (object, solid) in objects {
            // What lies nowhere cannot be masked there.
            if !object
                .rect
                .iter()
                .chain(&object.size)
                .all(|v| v.is_finite())
            {
                return Err(TooMany);
            }
            let region = outline(object, solid, live, canvas);
            // What lies outside the frame needs no mask.
            let Some(rect) = region.aligned(format, interlaced, width, height) else {
                continue;
            };
            area += pixels(rect);
            if solid {
                self.solid.push(region);
            } else {
                self.regions.push(region);
            }
        }
        if area > MAX_FRAMES * u64::from(width) * u64::from(height) {
            return Err(TooMany);
        }
        self.regions.append(&mut self.solid);
        self.regions.extend(&self.zones);
        Ok(())
    }

    /// Draws the whole frame, and the zones.
    pub fn whole(&mut self) {
        self.regions.clear();
        if let Some(View { canvas, .. }) = self.view {
            self.regions.push(Region {
                key: NO_OBJECT,
                remember: true,
                ..Region::whole(canvas.width, canvas.height)
            });
        }
        self.regions.extend(&self.zones);
    }

    /// In the order in which they are written.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Those that the regions speak of.
    pub fn runs(&self) -> &[Runs] {
        &self.runs
    }

    /// How many of the regions are zones, for a mask stamp.
    pub fn zones(&self) -> u32 {
        self.zones.len() as u32
    }

    /// How many of the regions are none, for a mask stamp.
    pub fn others(&self) -> u32 {
        // Bounded by `hold::MAX_OBJECTS`.
        self.regions.len().saturating_sub(self.zones.len()) as u32
    }

    /// Share of the frame that the regions cover, 0 to 1, overlaps counted once: exactly the pixels that
    /// are written.
    pub fn share(&mut self) -> f64 {
        let Some(View { canvas, .. }) = self.view else {
            return 0.0;
        };
        let covered = self.sweep.covered(&self.regions, &self.runs, canvas);
        covered as f64 / (f64::from(canvas.width) * f64::from(canvas.height))
    }
}

impl Sweep {
    /// Pixels in the union of regions: for each strip between two edges, the length of the union of the
    /// spans in it.
    fn covered(&mut self, regions: &[Region], runs: &[Runs], canvas: Canvas) -> u64 {
        let Canvas {
            format,
            width,
            height,
            interlaced,
        } = canvas;
        self.rects.clear();
        self.edges.clear();
        let band = Runs::band_rows(interlaced);
        for region in regions {
            let Some(rect) = region.aligned(format, interlaced, width, height) else {
                continue;
            };
            let (top, bottom) = (rect.y, rect.y + rect.height);
            self.edges.extend([top, bottom]);
            if region.shape != Shape::Box {
                let first = top / band + 1;
                self.edges
                    .extend((first..bottom.div_ceil(band)).map(|b| b * band));
            }
            self.rects.push((rect, *region));
        }
        self.edges.sort_unstable();
        self.edges.dedup();
        self.rects.sort_unstable_by_key(|(rect, _)| rect.y);
        // Those that the strips have reached and not left, in front.
        let (mut live, mut next) = (0, 0);
        let mut pixels = 0;
        for strip in self.edges.windows(2) {
            let (top, bottom) = (strip[0], strip[1]);
            while self.rects.get(next).is_some_and(|(rect, _)| rect.y <= top) {
                self.rects.swap(live, next);
                (live, next) = (live + 1, next + 1);
            }
            self.spans.clear();
            let mut i = 0;
            while i < live {
                let (rect, region) = self.rects[i];
                if rect.y + rect.height <= top {
                    live -= 1;
                    self.rects.swap(i, live);
                    continue;
                }
                region.spans(
                    rect,
                    runs,
                    canvas.width,
                    canvas.height,
                    interlaced,
                    top / band,
                    |a, b| {
                        self.spans.push([a, b]);
                    },
                );
                i += 1;
            }
            self.spans.sort_unstable();
            let (mut length, mut reached) = (0u64, 0u32);
            for &[left, right] in &self.spans {
                length += u64::from(right.saturating_sub(reached.max(left)));
                reached = reached.max(right);
            }
            pixels += length * u64::from(bottom - top);
        }
        pixels
    }
}

fn pixels(rect: Rect) -> u64 {
    u64::from(rect.width) * u64::from(rect.height)
}

/// The region of an object: its box with its padding, or the ellipse around that.
fn outline(object: &Object, solid: bool, live: &Live, canvas: Canvas) -> Region {
    let box_only = rectangle(padded(object, solid, live, canvas), object.key);
    let region = Region {
        solid,
        remember: true,
        ..box_only
    };
    match live.shape {
        wgpublur::Shape::Box => region,
        // Through the corners: √2 times as wide and high. Whole pixels on both sides alike, because an
        // ellipse around another centre would not hold the corners.
        wgpublur::Shape::Ellipse => {
            let more = |side: u32| {
                let each = f64::from(side) * (std::f64::consts::SQRT_2 - 1.0) / 2.0;
                each.ceil() as u32
            };
            let (across, down) = (more(region.width), more(region.height));
            Region {
                x: region.x.saturating_sub_unsigned(across),
                y: region.y.saturating_sub_unsigned(down),
                width: region.width.saturating_add(2 * across),
                height: region.height.saturating_add(2 * down),
                shape: Shape::Ellipse,
                ..region
            }
        }
    }
}

/// Left, top, right and bottom of an object with its padding.
fn padded(object: &Object, solid: bool, live: &Live, canvas: Canvas) -> [f64; 4] {
    let [left, top, right, bottom] = object.rect;
    // Whoever asks for no padding at all gets none.
    let (share, headroom) = if live.padding > 0.0 {
        let least = if solid { TEXT_PADDING } else { 0.0 };
        (live.padding.max(least), HEADROOM)
    } else {
        (0.0, 0.0)
    };
    let pixels = f64::from(live.padding_pixels);
    let [across, down] = object.size.map(|side| side * share + pixels);
    let above = down + object.size[1] * headroom;
    // Beyond a frame's size away from the frame nothing shows.
    let (width, height) = (f64::from(canvas.width), f64::from(canvas.height));
    [
        (left - across).clamp(-width, 2.0 * width),
        (top - above).clamp(-height, 2.0 * height),
        (right + across).clamp(-width, 2.0 * width),
        (bottom + down).clamp(-height, 2.0 * height),
    ]
}

/// Whole pixels, outward. The edges lie within some frames' size.
fn rectangle([left, top, right, bottom]: [f64; 4], key: u64) -> Region {
    let (x, y) = (left.floor(), top.floor());
    Region {
        x: x as i32,
        y: y as i32,
        width: (right.ceil() - x) as u32,
        height: (bottom.ceil() - y) as u32,
        key,
        ..Region::default()
    }
}

#[cfg(test)]
mod tests;
