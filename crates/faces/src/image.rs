//! From the bytes of a PNG or JPEG file to pixels, upright and bounded.
//!
//! Keeps true: what a file claims about its size is checked before anything of that size is allocated.

use crate::gray::Gray;
use crate::orientation;
use std::io::Cursor;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// The longest side of a picture, in pixels.
pub const LONGEST_SIDE: usize = 10_000;
/// The most pixels of a picture.
pub const MOST_PIXELS: usize = 50_000_000;
/// The shortest side of a picture, in pixels.
pub const SHORTEST_SIDE: usize = 80;
/// Larger pictures are worked on in a smaller copy, with this longest side.
const WORKING_SIDE: usize = 2048;

/// Why a file could not be read as a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Neither PNG nor JPEG, or a damaged one.
    #[error("not a readable PNG or JPEG file: {0}")]
    Format(String),
    /// A side or the number of pixels is beyond the limits.
    #[error("{0} x {1} pixels are too many")]
    TooLarge(usize, usize),
    /// A side is shorter than [`SHORTEST_SIDE`].
    #[error("{0} x {1} pixels are too few")]
    TooSmall(usize, usize),
}

/// A picture, upright. What is larger than needed has been made smaller; places in it are given as shares of its sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    gray: Gray,
    /// Red, green and blue, when they were asked for.
    colours: Option<Box<[Gray; 3]>>,
    orientation: u8,
}

impl Image {
    /// Reads a PNG or JPEG file and turns it upright by its EXIF orientation. Only brightness is kept.
    pub fn decode(file: &[u8]) -> Result<Self, ImageError> {
        Self::read(file, false)
    }

    /// As [`Image::decode`], and keeps the colours, too, which takes four times the memory.
    pub fn decode_in_colour(file: &[u8]) -> Result<Self, ImageError> {
        Self::read(file, true)
    }

    fn read(file: &[u8], in_colour: bool) -> Result<Self, ImageError> {
        let (pixels, orientation) = match file {
            [0x89, b'P', b'N', b'G', ..] => png(file, in_colour)?,
            [0xff, 0xd8, ..] => jpeg(file, in_colour)?,
            _ => return Err(ImageError::Format("unknown beginning".to_owned())),
        };
        let Pixels { width, height, gray, colours } = pixels;
        let plane = |data| orientation::upright(bounded(Gray { width, height, data }), orientation);
        Ok(Self { gray: plane(gray), colours: colours.map(|it| Box::new(it.map(plane))), orientation })
    }

    /// Of brightness values, already upright.
    pub fn from_gray(gray: Gray) -> Self {
        Self { gray: bounded(gray), colours: None, orientation: 1 }
    }

    /// Red, green and blue; the brightness thrice when colours were not kept.
    pub fn colours(&self) -> [&Gray; 3] {
        self.colours.as_ref().map_or([&self.gray; 3], |colours| colours.each_ref())
    }

    /// The brightness of its pixels.
    pub fn gray(&self) -> &Gray {
        &self.gray
    }

    /// What its file's EXIF data said: 1 to 8, and 1 when nothing.
    pub fn orientation(&self) -> u8 {
        self.orientation
    }
}

fn bounded(gray: Gray) -> Gray {
    let longest = gray.width.max(gray.height);
    if longest <= WORKING_SIDE {
        return gray;
    }
    let scale = |side: usize| (side * WORKING_SIDE / longest).max(1);
    gray.resized(scale(gray.width), scale(gray.height))
}

fn check_size(width: usize, height: usize) -> Result<(), ImageError> {
    if width.max(height) > LONGEST_SIDE || width.saturating_mul(height) > MOST_PIXELS {
        return Err(ImageError::TooLarge(width, height));
    }
    if width.min(height) < SHORTEST_SIDE {
        return Err(ImageError::TooSmall(width, height));
    }
    Ok(())
}

/// Rec. 601, in whole numbers.
pub(crate) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    ((u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 32_768) >> 16) as u8
}

fn damaged(error: impl std::fmt::Display) -> ImageError {
    ImageError::Format(error.to_string())
}

/// What a file holds, as it is read.
struct Pixels {
    width: usize,
    height: usize,
    gray: Vec<u8>,
    colours: Option<[Vec<u8>; 3]>,
}

impl Pixels {
    fn new(width: usize, height: usize, in_colour: bool) -> Self {
        let plane = || Vec::with_capacity(width * height);
        Self { width, height, gray: plane(), colours: in_colour.then(|| [plane(), plane(), plane()]) }
    }

    /// Adds pixels of gray, gray and alpha, RGB, or RGBA; what is transparent is laid on white.
    fn add(&mut self, pixels: &[u8], channels: usize) {
        let over = |value: u8, alpha: u8| {
            ((u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8
        };
        let pixels = pixels.chunks_exact(channels);
        self.gray.extend(pixels.clone().map(|pixel| match *pixel {
            [gray] => gray,
            [gray, alpha] => over(gray, alpha),
            [red, green, blue] => luma(red, green, blue),
            [red, green, blue, alpha] => over(luma(red, green, blue), alpha),
            _ => 0,
        }));
        for (number, colour) in self.colours.iter_mut().flatten().enumerate() {
            colour.extend(pixels.clone().map(|pixel| match *pixel {
                [gray] => gray,
                [gray, alpha] => over(gray, alpha),
                [_, _, _] => pixel[number],
                [_, _, _, alpha] => over(pixel[number], alpha),
                _ => 0,
            }));
        }
    }

    /// When every pixel is there.
    fn complete(self) -> Result<Self, ImageError> {
        if self.gray.len() == self.width * self.height {
            Ok(self)
        } else {
            Err(damaged("pixels are missing"))
        }
    }
}

fn jpeg(file: &[u8], in_colour: bool) -> Result<(Pixels, u8), ImageError> {
    // Sizes are judged below, by the head of the file, before there is memory for pixels.
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("no dimensions"))?;
    check_size(width, height)?;
    let orientation = decoder.exif().map_or(1, |exif| orientation::of(exif));
    let decoded = decoder.decode().map_err(damaged)?;
    let channels = if decoder.output_colorspace() == Some(ColorSpace::Luma) { 1 } else { 3 };
    let mut pixels = Pixels::new(width, height, in_colour);
    pixels.add(&decoded, channels);
    Ok((pixels.complete()?, orientation))
}

fn png(file: &[u8], in_colour: bool) -> Result<(Pixels, u8), ImageError> {
    let limits = png::Limits { bytes: 64 * 1024 * 1024 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height)?;
    let orientation = reader.info().exif_metadata.as_ref().map_or(1, |exif| orientation::of(exif));
    let mut pixels = Pixels::new(width, height, in_colour);
    if reader.info().interlaced {
        let size = reader.output_buffer_size().ok_or_else(|| damaged("too large"))?;
        let mut decoded = vec![0; size];
        let frame = reader.next_frame(&mut decoded).map_err(damaged)?;
        for line in decoded.chunks_exact(frame.line_size).take(height) {
            pixels.add(line, frame.color_type.samples());
        }
        return Ok((pixels.complete()?, orientation));
    }
    let channels = reader.output_color_type().0.samples();
    while let Some(row) = reader.next_row().map_err(damaged)? {
        pixels.add(row.data(), channels);
    }
    Ok((pixels.complete()?, orientation))
}
