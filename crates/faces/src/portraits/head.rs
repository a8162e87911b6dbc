//! One head: its measures by chance, and the colour of each place of it under a light.
//!
//! Places are `u` to the right and `v` down, in half heights of the head from its middle.

use super::{Dice, View};

type Colour = [f32; 3];

/// The measures of a person. Lengths are in half heights of the head.
pub(super) struct Head {
    seed: u64,
    half_width: f32,
    jaw: f32,
    depth: f32,
    eye_x: f32,
    eye_y: f32,
    eye_width: f32,
    eye_height: f32,
    eye_slant: f32,
    iris: Colour,
    brow_y: f32,
    brow_width: f32,
    brow_thick: f32,
    brow_slant: f32,
    brow_arch: f32,
    nose_y: f32,
    nose_width: f32,
    nose_high: f32,
    mouth_y: f32,
    mouth_width: f32,
    lip_upper: f32,
    lip_lower: f32,
    lips: Colour,
    skin: Colour,
    hair: Colour,
    hairline: f32,
    parting: f32,
    hair_volume: f32,
    hair_length: f32,
    beard: f32,
    moustache: f32,
    cheeks: f32,
    folds: f32,
    freckles: f32,
}

const SKINS: [Colour; 6] = [
    [0.96, 0.80, 0.69],
    [0.90, 0.72, 0.58],
    [0.82, 0.62, 0.47],
    [0.72, 0.52, 0.38],
    [0.60, 0.42, 0.31],
    [0.52, 0.36, 0.27],
];
const HAIRS: [Colour; 6] = [
    [0.09, 0.07, 0.06],
    [0.22, 0.14, 0.09],
    [0.40, 0.26, 0.15],
    [0.72, 0.56, 0.33],
    [0.62, 0.60, 0.58],
    [0.48, 0.20, 0.10],
];
const IRISES: [Colour; 4] = [[0.20, 0.12, 0.07], [0.12, 0.08, 0.06], [0.22, 0.34, 0.46], [0.24, 0.32, 0.18]];

fn bell(distance: f32, width: f32) -> f32 {
    (-0.5 * (distance / width) * (distance / width)).exp()
}

/// From 0 to 1 between two edges, in either order.
fn soft(from: f32, to: f32, at: f32) -> f32 {
    let share = ((at - from) / (to - from)).clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    [0, 1, 2].map(|channel| from[channel] + (to[channel] - from[channel]) * share.clamp(0.0, 1.0))
}

fn times(colour: Colour, factor: f32) -> Colour {
    colour.map(|part| part * factor)
}

/// A smooth random surface between -1 and 1.
fn roughness(seed: u64, x: f32, y: f32) -> f32 {
    let corner = |x: i64, y: i64| {
        let mixed = seed ^ (x as u64).wrapping_mul(0x9e37_79b1) ^ (y as u64).wrapping_mul(0x85eb_ca77_c2b2);
        Dice(mixed).share() * 2.0 - 1.0
    };
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (soft(0.0, 1.0, x - left), soft(0.0, 1.0, y - top));
    let (left, top) = (left as i64, top as i64);
    let upper = corner(left, top) * (1.0 - across) + corner(left + 1, top) * across;
    let lower = corner(left, top + 1) * (1.0 - across) + corner(left + 1, top + 1) * across;
    upper * (1.0 - down) + lower * down
}

impl Head {
    pub fn of(person: u64) -> Self {
        let mut dice = Dice(person.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(7));
        for _ in 0..3 {
            dice.share();
        }
        let pick = |dice: &mut Dice, colours: &[Colour]| {
            let first = colours[(dice.share() * colours.len() as f32) as usize % colours.len()];
            times(first, dice.between(0.93, 1.07))
        };
        let skin = pick(&mut dice, &SKINS);
        let hair = times(pick(&mut dice, &HAIRS), if skin[0] < 0.65 { 0.45 } else { 1.0 });
        let with = |dice: &mut Dice, chance: f32, least: f32, most: f32| {
            let value = dice.between(least, most);
            if dice.share() < chance { value } else { 0.0 }
        };
        let eye_y = dice.between(-0.10, 0.02);
        let mouth_y = eye_y + dice.between(0.60, 0.76);
        Self {
            seed: person,
            half_width: dice.between(0.68, 0.82),
            jaw: dice.between(2.0, 4.2),
            depth: dice.between(0.65, 0.8),
            eye_x: dice.between(0.275, 0.335),
            eye_y,
            eye_width: dice.between(0.115, 0.155),
            eye_height: dice.between(0.042, 0.075),
            eye_slant: dice.between(-0.14, 0.14),
            iris: pick(&mut dice, &IRISES),
            brow_y: eye_y - dice.between(0.15, 0.225),
            brow_width: dice.between(0.17, 0.24),
            brow_thick: dice.between(0.016, 0.046),
            brow_slant: dice.between(-0.24, 0.16),
            brow_arch: dice.between(0.0, 0.07),
            nose_y: eye_y + (mouth_y - eye_y) * dice.between(0.55, 0.68),
            nose_width: dice.between(0.085, 0.145),
            nose_high: dice.between(0.11, 0.2),
            mouth_y,
            mouth_width: dice.between(0.2, 0.31),
            lip_upper: dice.between(0.025, 0.06),
            lip_lower: dice.between(0.035, 0.08),
            lips: mix(skin, [0.68, 0.24, 0.25], dice.between(0.25, 0.8)),
            skin,
            hair,
            hairline: eye_y - dice.between(0.42, 0.66),
            parting: dice.between(-0.35, 0.35),
            hair_volume: dice.between(1.04, 1.2),
            hair_length: dice.between(-0.1, 1.3),
            beard: with(&mut dice, 0.25, 0.3, 0.8),
            moustache: with(&mut dice, 0.25, 0.4, 0.9),
            cheeks: dice.between(0.0, 0.05),
            folds: dice.between(0.0, 0.3),
            freckles: with(&mut dice, 0.3, 0.05, 0.14),
        }
    }

    /// Half the face's width at a height.
    fn outline(&self, v: f32) -> f32 {
        let (reach, power) = if v < 0.0 { (1.04, 2.3) } else { (1.02, self.jaw) };
        let share = 1.0 - (v.abs() / reach).min(1.0).powf(power);
        self.half_width * share.powf(if v < 0.0 { 0.46 } else { 0.6 })
    }

    /// How far the surface comes forward.
    fn height(&self, u: f32, v: f32) -> f32 {
        let across = (u / self.outline(v).max(0.05)).clamp(-1.0, 1.0);
        let side = u.abs() - self.eye_x;
        let along =
            soft(self.eye_y - 0.08, self.nose_y, v) * (1.0 - soft(self.nose_y, self.nose_y + 0.07, v));
        let nose_width = self.nose_width * (0.45 + 0.4 * along);
        let chin = bell(u, 0.16) * bell(v - 0.86, 0.09);
        let lip = bell(u, self.mouth_width * 0.6) * bell(v - self.mouth_y, 0.07);
        self.depth * (1.0 - across * across).max(0.0).sqrt() * (1.0 - (v / 1.25).powi(2)).max(0.0).sqrt()
            + self.nose_high * along * bell(u, nose_width)
            + 0.05 * bell(v - self.brow_y, 0.06) * bell(side, 0.2)
            - 0.07 * bell(side, 0.13) * bell(v - self.eye_y, 0.08)
            + (0.02 + self.cheeks) * bell(u.abs() - 0.4, 0.14) * bell(v - self.eye_y - 0.33, 0.12)
            + 0.04 * chin
            + 0.03 * lip
    }

    /// What is seen at a place of the picture; nothing where the background is.
    pub fn colour(&self, x: f32, y: f32, view: &View) -> Option<Colour> {
        let (sine, cosine) = view.roll.to_radians().sin_cos();
        let (x, y) = (x * cosine + y * sine, y * cosine - x * sine);
        // Nothing reaches further than the longest hair and the shoulders.
        if y < -1.4 || (y < 1.2 && x.abs() > 1.2) {
            return None;
        }
        let (yaw, pitch) = (view.yaw.to_radians().sin_cos(), view.pitch.to_radians().sin_cos());
        // Where the line of sight meets the surface, by coming closer to it.
        let turned = |depth: f32| ((x - depth * yaw.0) / yaw.1, (y - depth * pitch.0) / pitch.1);
        let (mut u, mut v) = turned(0.4);
        for _ in 0..3 {
            (u, v) = turned(self.height(u, v) - 0.3);
        }
        if v.abs() < 1.04 && u.abs() < self.outline(v) {
            return Some(self.lit(u, v, view));
        }
        let (u, v) = turned(-0.3);
        self.hair_behind(u, v, view).or_else(|| self.body(x, y, view))
    }

    fn lit(&self, u: f32, v: f32, view: &View) -> Colour {
        const STEP: f32 = 0.012;
        let slope_u = (self.height(u + STEP, v) - self.height(u - STEP, v)) / (2.0 * STEP);
        let slope_v = (self.height(u, v + STEP) - self.height(u, v - STEP)) / (2.0 * STEP);
        let (sine, cosine) = view.yaw.to_radians().sin_cos();
        let normal = [-slope_u * cosine + sine, -slope_v + view.pitch.to_radians().sin(), 1.0];
        let light = [view.light, -0.55, 0.9];
        let length = |it: [f32; 3]| it.iter().map(|part| part * part).sum::<f32>().sqrt();
        let facing = normal.iter().zip(light).map(|(one, other)| one * other).sum::<f32>()
            / (length(normal) * length(light));
        let shade = 0.42 + 0.68 * facing.max(0.0);
        let shine = 0.1 * facing.max(0.0).powi(12);
        let colour = self.surface(u, v, view.smile);
        times(colour.map(|part| part * shade + shine * 0.5), view.exposure)
    }

    /// The colour without light.
    fn surface(&self, u: f32, v: f32, smile: f32) -> Colour {
        let side = u.signum();
        let (from_eye, down) = (u.abs() - self.eye_x, v - self.eye_y);
        let spots = roughness(self.seed, u * 9.0, v * 9.0) * 0.03
            + roughness(self.seed ^ 5, u * 24.0, v * 24.0) * 0.02;
        let freckle = soft(0.55, 0.8, roughness(self.seed ^ 9, u * 40.0, v * 40.0)) * self.freckles;
        let mut colour = times(self.skin, 1.0 + spots - freckle);
        // Hollows get less light: sockets, beside and under the nose, under the lip.
        let socket = bell(from_eye + 0.03, 0.13) * bell(down + 0.03, 0.075) * 0.34;
        let nostril_side = bell(u.abs() - self.nose_width * 1.15, 0.025) * bell(v - self.nose_y, 0.05) * 0.3;
        let under_nose = bell(u, self.nose_width) * bell(v - self.nose_y - 0.06, 0.025) * 0.3;
        let fold_x = self.nose_width + 0.06 + (v - self.nose_y) * 0.45;
        let fold =
            bell(u.abs() - fold_x, 0.018) * bell(v - (self.nose_y + self.mouth_y) / 2.0, 0.1) * self.folds;
        let under_lip = bell(u, 0.13) * bell(v - self.mouth_y - self.lip_lower - 0.06, 0.025) * 0.22;
        colour = times(colour, 1.0 - socket - nostril_side - under_nose - under_lip - fold);
        let nostril = bell(u.abs() - self.nose_width * 0.55, 0.024) * bell(v - self.nose_y - 0.035, 0.014);
        colour = mix(colour, [0.18, 0.09, 0.07], nostril * 0.85);
        colour = self.beards(colour, u, v);
        colour = self.mouth(colour, u, v, smile);
        let brow_at = from_eye / self.brow_width;
        let brow =
            self.brow_y + self.brow_slant * from_eye - self.brow_arch * (1.0 - brow_at * brow_at) + 0.03;
        let thick = self.brow_thick * (1.0 - 0.4 * brow_at.clamp(-1.0, 1.0));
        let hairs = 0.85 + 0.15 * roughness(self.seed ^ 3, u * 60.0, v * 18.0);
        let in_brow = soft(1.1, 0.8, brow_at.abs()) * soft(thick * 1.5, thick * 0.6, (v - brow).abs());
        colour = mix(colour, times(self.hair, 0.8), in_brow * 0.9 * hairs);
        colour = self.eye(colour, from_eye * side, down, side);
        let line = self.hairline
            + 0.55 * u * u
            + 0.12 * (u - self.parting).abs()
            + 0.03 * roughness(self.seed ^ 4, u * 6.0, 1.0);
        let sideburn = soft(0.9, 0.97, u.abs() / self.outline(v).max(0.05)) * soft(0.15, -0.1, v);
        let in_hair = soft(line + 0.03, line - 0.03, v).max(sideburn);
        mix(colour, self.strands(u, v), in_hair)
    }

    fn eye(&self, skin: Colour, across: f32, down: f32, side: f32) -> Colour {
        let down = down - across * side * self.eye_slant;
        let share = across / self.eye_width;
        let bow = (1.0 - share * share).max(0.0);
        let (upper, lower) = (-self.eye_height * bow.powf(0.7), self.eye_height * 0.75 * bow);
        let edge = 0.012;
        let open = soft(upper - edge, upper + edge, down)
            * soft(lower + edge, lower - edge, down)
            * if share.abs() < 1.0 { 1.0 } else { 0.0 };
        let from_middle = across.hypot(down);
        let radius = self.eye_height * 0.98;
        let mut ball = times([0.86, 0.84, 0.82], 0.72 + 0.28 * soft(upper, upper + 0.06, down));
        ball = mix(ball, self.iris, soft(radius + edge, radius - edge, from_middle));
        ball = mix(ball, [0.03; 3], soft(radius * 0.5 + edge, radius * 0.5 - edge, from_middle));
        ball = mix(ball, [0.95; 3], bell((across + 0.018).hypot(down + 0.018), 0.008) * 0.9);
        let mut colour = mix(skin, ball, open);
        let within = soft(1.12, 0.95, share.abs());
        colour = mix(colour, [0.1, 0.07, 0.06], bell(down - upper, 0.014) * 0.85 * within);
        colour = mix(colour, times(skin, 0.6), bell(down - lower, 0.01) * 0.4 * within);
        let crease = upper - 0.045;
        mix(colour, times(skin, 0.62), bell(down - crease, 0.012) * 0.5 * soft(1.2, 0.7, share.abs()))
    }

    fn mouth(&self, skin: Colour, u: f32, v: f32, smile: f32) -> Colour {
        let width = self.mouth_width * (1.0 + 0.18 * smile);
        let share = u / width;
        let down = v - self.mouth_y + smile * 0.09 * share * share;
        let bow = (1.0 - share * share).max(0.0);
        let notch = 1.0 - 0.25 * bell(u, 0.03);
        let (upper, lower) = (-self.lip_upper * bow.powf(0.6) * notch, self.lip_lower * bow.powf(0.6));
        let edge = 0.014;
        let lips = soft(upper - edge, upper + edge, down)
            * soft(lower + edge, lower - edge, down)
            * soft(1.04, 0.96, share.abs());
        let tone = if down < 0.0 { times(self.lips, 0.85) } else { self.lips };
        let colour = mix(skin, tone, lips);
        let line = bell(down, 0.011 + 0.01 * smile) * soft(1.08, 0.94, share.abs());
        mix(colour, [0.22, 0.08, 0.08], line * 0.9)
    }

    fn beards(&self, skin: Colour, u: f32, v: f32) -> Colour {
        let grain = 0.8 + 0.2 * roughness(self.seed ^ 6, u * 50.0, v * 30.0);
        let around =
            soft(0.0, 0.08, v - (self.mouth_y - 0.02 - 0.5 * (u.abs() - self.mouth_width).max(-0.1)));
        let colour = mix(skin, self.hair, around * self.beard * grain);
        let above = bell(v - (self.nose_y + self.mouth_y) / 2.0 - 0.02, 0.045) * soft(0.3, 0.2, u.abs());
        mix(colour, self.hair, above * self.moustache * grain)
    }

    fn strands(&self, u: f32, v: f32) -> Colour {
        let angle = (u - self.parting) * 14.0;
        times(self.hair, 1.0 + 0.25 * roughness(self.seed ^ 8, angle * 1.5, v * 3.0) + 0.12 * (v + 0.8).abs())
    }

    /// Hair around the head, and ears.
    fn hair_behind(&self, u: f32, v: f32, view: &View) -> Option<Colour> {
        let volume = self.hair_volume;
        let cap = (u / (self.half_width * volume)).powi(2) + (v / (1.04 * volume)).powi(2) < 1.0 && v < 0.05;
        let fall = self.hair_length - 0.1 * u.abs();
        let falls = (0.0..fall).contains(&v) && u.abs() < self.half_width * (volume + 0.06);
        if cap || falls {
            return Some(times(self.strands(u, v), 0.75 * view.exposure));
        }
        let ear = ((u.abs() - self.half_width) / 0.09).hypot((v - self.eye_y - 0.1) / 0.2) < 1.0;
        ear.then(|| times(self.skin, 0.68 * view.exposure))
    }

    fn body(&self, x: f32, y: f32, view: &View) -> Option<Colour> {
        let mut dice = Dice(self.seed ^ view.background.wrapping_mul(77));
        let cloth = [0; 3].map(|_| dice.between(0.1, 0.8));
        let shoulders = 1.28 + 0.22 * (x / 1.2).powi(4) + 0.12 * x.abs();
        if y > shoulders {
            return Some(times(cloth, 0.8 * view.exposure));
        }
        let shadow = 0.5 + 0.25 * soft(0.9, 1.4, y) - 0.1 * x * view.light.signum();
        (y > 0.5 && x.abs() < 0.42).then(|| times(self.skin, shadow * view.exposure))
    }
}
