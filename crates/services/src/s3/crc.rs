//! Cyclic redundancy checks, reflected, of up to 64 bits: by tables, and combined from those of two halves.

/// A CRC by its polynomial. Initial value and final inversion are all ones, as in all of S3's.
pub(super) struct Crc {
    /// The polynomial, reflected: the bit of the highest power but one is bit 0.
    polynomial: u64,
    /// Ones in all bits of the register.
    mask: u64,
    /// `table[k][b]`: what byte `b` becomes after `k` more zero bytes.
    table: [[u64; 256]; 8],
}

pub(super) static CRC32: Crc = Crc::new(32, 0xedb8_8320);
pub(super) static CRC32C: Crc = Crc::new(32, 0x82f6_3b78);
pub(super) static CRC64NVME: Crc = Crc::new(64, 0x9a6c_9329_ac4b_c9b5);

impl Crc {
    const fn new(width: u32, polynomial: u64) -> Self {
        let mut table = [[0; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let (mut value, mut bit) = (byte as u64, 0);
            while bit < 8 {
                value = (value >> 1) ^ if value & 1 == 1 { polynomial } else { 0 };
                bit += 1;
            }
            table[0][byte] = value;
            byte += 1;
        }
        let mut after = 1;
        while after < 8 {
            let mut byte = 0;
            while byte < 256 {
                let before: u64 = table[after - 1][byte];
                table[after][byte] = (before >> 8) ^ table[0][(before & 0xff) as usize];
                byte += 1;
            }
            after += 1;
        }
        Self { polynomial, mask: u64::MAX >> (64 - width), table }
    }

    /// The check of what was checked as `crc`, followed by `bytes`. That of nothing is 0.
    pub fn update(&self, crc: u64, bytes: &[u8]) -> u64 {
        let mut state = crc ^ self.mask;
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            // Eight table look-ups that do not wait for each other.
            let mixed = (state ^ u64::from_le_bytes(*eight)).to_le_bytes();
            state = mixed
                .iter()
                .zip(self.table.iter().rev())
                .fold(0, |state, (byte, table)| state ^ table[usize::from(*byte)]);
        }
        for byte in rest {
            state = (state >> 8) ^ self.table[0][usize::from(state as u8 ^ byte)];
        }
        state ^ self.mask
    }

    /// The check of two pieces, from the check of each and the length in bytes of the second.
    pub fn combine(&self, first: u64, second: u64, second_length: u64) -> u64 {
        // The first check moves on by as many zero bits: it is multiplied by x^(8 * length), modulo the polynomial.
        let top = self.mask ^ (self.mask >> 1);
        let (mut power, mut square, mut exponent) = (top, top >> 8, second_length);
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = self.multiply(power, square);
            }
            square = self.multiply(square, square);
            exponent >>= 1;
        }
        self.multiply(first, power) ^ second
    }

    /// The product of two polynomials of which bit 0 stands for the highest power.
    fn multiply(&self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        let mut bit = self.mask ^ (self.mask >> 1);
        while bit != 0 {
            if a & bit != 0 {
                product ^= b;
            }
            b = (b >> 1) ^ if b & 1 == 1 { self.polynomial } else { 0 };
            bit >>= 1;
        }
        product
    }
}
