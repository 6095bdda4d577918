//! What coder and decoder share: parameters, contexts, prediction (T.87 annex A).

/// Bits of the length of a run, for each step of the run index (A.7.1.1).
pub(super) const RUN_BITS: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Parameters as an LSE segment presets them; 0 is the default.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preset {
    pub maximum: i32,
    pub t1: i32,
    pub t2: i32,
    pub t3: i32,
    pub reset: i32,
}

/// Parameters of a scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    /// The largest sample.
    pub maximum: i32,
    /// The largest error of a sample.
    pub near: i32,
    /// Prediction errors that there are.
    pub range: i32,
    /// Bits of a prediction error that is written as it is.
    pub error_bits: u32,
    /// The longest code.
    pub limit: u32,
    t1: i32,
    t2: i32,
    t3: i32,
    pub reset: i32,
}

impl Coding {
    /// `None` where the parameters contradict one another.
    pub(super) fn new(precision: u32, near: i32, preset: Preset) -> Option<Self> {
        let most = (1 << precision) - 1;
        let maximum = if preset.maximum == 0 { most } else { preset.maximum };
        if maximum > most || maximum < 1 || near > (maximum / 2).min(255) {
            return None;
        }
        let range = (maximum + 2 * near) / (2 * near + 1) + 1;
        let log = |value: i32| (value - 1).checked_ilog2().map_or(0, |bits| bits + 1);
        let bits = log(maximum + 1).max(2);
        let (d1, d2, d3) = default_thresholds(maximum, near);
        let or = |given: i32, default: i32| if given == 0 { default } else { given };
        let (t1, t2, t3) = (or(preset.t1, d1), or(preset.t2, d2), or(preset.t3, d3));
        let reset = or(preset.reset, 64);
        let is_sound = near < t1 && t1 <= t2 && t2 <= t3 && t3 <= maximum.max(4) && (3..=255.max(maximum)).contains(&reset);
        is_sound.then_some(Self { maximum, near, range, error_bits: log(range), limit: 2 * (bits + bits.max(8)), t1, t2, t3, reset })
    }

    fn quantized(&self, gradient: i32) -> i32 {
        let size = gradient.abs();
        let step = if size <= self.near {
            0
        } else if size < self.t1 {
            1
        } else if size < self.t2 {
            2
        } else if size < self.t3 {
            3
        } else {
            4
        };
        step * gradient.signum()
    }

    /// A sample from its prediction and error; both may lie around the range (A.4.4, A.5).
    #[inline(always)]
    pub(super) fn sample(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let value = predicted + error * step;
        let value = if value < -self.near {
            value + self.range * step
        } else if value > self.maximum + self.near {
            value - self.range * step
        } else {
            value
        };
        value.clamp(0, self.maximum)
    }
}

/// The thresholds of C.2.4.1.1.1.
fn default_thresholds(maximum: i32, near: i32) -> (i32, i32, i32) {
    let within = |value: i32, low: i32| if value > maximum || value < low { low } else { value };
    let (b1, b2, b3) = if maximum >= 128 {
        let factor = (maximum.min(4095) + 128) / 256;
        (factor + 2 + 3 * near, factor * 4 + 3 + 5 * near, factor * 17 + 4 + 7 * near)
    } else {
        let factor = 256 / (maximum + 1);
        ((3 / factor + 3 * near).max(2), (7 / factor + 5 * near).max(3), (21 / factor + 7 * near).max(4))
    };
    let t1 = within(b1, near + 1);
    let t2 = within(b2, t1);
    (t1, t2, within(b3, t2))
}

/// A context of the regular mode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    /// Sum of error sizes.
    pub a: i32,
    /// Bias of the errors.
    pub b: i32,
    /// Correction of the prediction.
    pub c: i32,
    /// How often it occurred.
    pub n: i32,
}

/// The least `k` of which `n << k` is at least `a`.
#[inline(always)]
pub(super) fn golomb(n: i32, a: i32) -> u32 {
    let shift = n.leading_zeros().saturating_sub(a.leading_zeros());
    shift + u32::from((n << shift) < a)
}

impl Context {
    #[inline(always)]
    pub(super) fn k(&self) -> u32 {
        golomb(self.n, self.a)
    }

    /// A.6: what an error changes. Written without branches, of which none could be foretold.
    #[inline(always)]
    pub(super) fn update(&mut self, error: i32, step: i32, reset: i32) {
        let mut a = self.a + error.abs();
        let mut b = self.b + error * step;
        let mut n = self.n;
        if n == reset {
            a >>= 1;
            b >>= 1;
            n >>= 1;
        }
        n += 1;
        let (is_low, is_high) = (i32::from(b <= -n), i32::from(b > 0));
        b += n * is_low - n * is_high;
        *self = Self { a, b: b.clamp(1 - n, 0), c: (self.c + is_high - is_low).clamp(-128, 127), n };
    }
}

/// A context of the samples that end a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunContext {
    pub a: i32,
    pub n: i32,
    /// Errors below zero.
    pub negative: i32,
}

impl RunContext {
    #[inline]
    pub(super) fn k(&self, kind: i32) -> u32 {
        golomb(self.n, if kind == 0 { self.a } else { self.a + (self.n >> 1) })
    }

    pub(super) fn update(&mut self, error: i32, mapped: i32, kind: i32, reset: i32) {
        self.negative += i32::from(error < 0);
        self.a += (mapped + 1 - kind) >> 1;
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.negative >>= 1;
        }
        self.n += 1;
    }
}

/// All that is learned in a scan.
pub(super) struct Model {
    pub coding: Coding,
    /// 365 contexts; the length is that of the places that nine bits have.
    pub contexts: Box<[Context; 512]>,
    pub run: [RunContext; 2],
    /// Quantized gradients from `-t3` to `t3`.
    steps: Vec<i8>,
}

impl Model {
    pub(super) fn new(coding: Coding) -> Self {
        let a = ((coding.range + 32) / 64).max(2);
        Self {
            coding,
            contexts: Box::new([Context { a, b: 0, c: 0, n: 1 }; 512]),
            run: [RunContext { a, n: 1, negative: 0 }; 2],
            steps: (-coding.t3..=coding.t3).map(|gradient| coding.quantized(gradient) as i8).collect(),
        }
    }

    /// A quantized gradient.
    #[inline(always)]
    pub(super) fn step(&self, gradient: i32) -> i32 {
        let t3 = self.coding.t3;
        i32::from(self.steps.get((gradient.clamp(-t3, t3) + t3) as usize).copied().unwrap_or(0))
    }

    /// The context of a sample, with the sign of its error: 0 is where a run may begin.
    #[inline(always)]
    pub(super) fn context(&self, a: i32, b: i32, c: i32, d: i32) -> i32 {
        81 * self.step(d - b) + 9 * self.step(b - c) + self.step(c - a)
    }
}

/// The prediction from the neighbours: the median of both and their plane.
#[inline(always)]
pub(super) fn predicted(a: i32, b: i32, c: i32) -> i32 {
    (a + b - c).clamp(a.min(b), a.max(b))
}

/// An edge of a line: what stands left of the first sample and right of the last of the line above.
#[inline]
pub(super) fn set_edges(above: &mut [u16], line: &mut [u16]) {
    let columns = above.len() - 2;
    above[columns + 1] = above[columns];
    line[0] = above[1];
}
