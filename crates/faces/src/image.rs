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
    orientation: u8,
}

impl Image {
    /// Reads a PNG or JPEG file and turns it upright by its EXIF orientation.
    pub fn decode(file: &[u8]) -> Result<Self, ImageError> {
        let (gray, orientation) = match file {
            [0x89, b'P', b'N', b'G', ..] => png(file)?,
            [0xff, 0xd8, ..] => jpeg(file)?,
            _ => return Err(ImageError::Format("unknown beginning".to_owned())),
        };
        let gray = bounded(gray);
        Ok(Self { gray: orientation::upright(gray, orientation), orientation })
    }

    /// Of brightness values, already upright.
    pub fn from_gray(gray: Gray) -> Self {
        Self { gray: bounded(gray), orientation: 1 }
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

fn jpeg(file: &[u8]) -> Result<(Gray, u8), ImageError> {
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
    let pixels = decoder.decode().map_err(damaged)?;
    let data: Vec<u8> = match decoder.output_colorspace() {
        Some(ColorSpace::Luma) => pixels,
        _ => pixels.chunks_exact(3).map(|pixel| luma(pixel[0], pixel[1], pixel[2])).collect(),
    };
    if data.len() != width * height {
        return Err(damaged("pixels are missing"));
    }
    Ok((Gray { width, height, data }, orientation))
}

fn png(file: &[u8]) -> Result<(Gray, u8), ImageError> {
    let limits = png::Limits { bytes: 64 * 1024 * 1024 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height)?;
    let orientation = reader.info().exif_metadata.as_ref().map_or(1, |exif| orientation::of(exif));
    if reader.info().interlaced {
        let size = reader.output_buffer_size().ok_or_else(|| damaged("too large"))?;
        let mut pixels = vec![0; size];
        let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
        let mut data = Vec::with_capacity(width * height);
        for line in pixels.chunks_exact(frame.line_size).take(height) {
            shades(line, frame.color_type.samples(), &mut data);
        }
        return Ok((Gray { width, height, data }, orientation));
    }
    let channels = reader.output_color_type().0.samples();
    let mut data = Vec::with_capacity(width * height);
    while let Some(row) = reader.next_row().map_err(damaged)? {
        shades(row.data(), channels, &mut data);
    }
    if data.len() != width * height {
        return Err(damaged("rows are missing"));
    }
    Ok((Gray { width, height, data }, orientation))
}

/// A line of gray, gray and alpha, RGB, or RGBA; what is transparent is laid on white.
fn shades(line: &[u8], channels: usize, data: &mut Vec<u8>) {
    let over = |value: u8, alpha: u8| {
        ((u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8
    };
    data.extend(line.chunks_exact(channels).map(|pixel| match *pixel {
        [gray] => gray,
        [gray, alpha] => over(gray, alpha),
        [red, green, blue] => luma(red, green, blue),
        [red, green, blue, alpha] => over(luma(red, green, blue), alpha),
        _ => 0,
    }));
}
