"""Compiled kernels of the standardised indices; `water_balance.py` calls them.

Pixels are worked on in blocks of `LANES` that lie side by side, so that sorting, fitting and scoring
run on whole vectors. Blocks are arrays of shape (time, LANES).
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from ..deps import jit

LANES = 256
FEWEST = 4
EVEN = 1e-14  # spread over size of values that are all the same
NEARLY_ONE = 1 - 1e-9
STRAIGHT = 1e-5  # shape below which the logarithm is taken as a series
LOGIT_END = 40.0
LOGIT_BEND = 10.0
LOGIT_SCALE = 2 / (math.sqrt(LOGIT_END + LOGIT_BEND) - math.sqrt(LOGIT_BEND))
FAR = 1e300
TINY = 1e-300
_ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)  # bits of the square root of 1/2
_LOG_2 = math.log(2.0)

# rational approximations of the normal quantile, Wichura (1988), algorithm AS 241, doi:10.2307/2347330
_NEAR_TOP = np.array([2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
                      13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608])
_NEAR_LOW = np.array([5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
                      5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0])
_MID_TOP = np.array([7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
                     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734])
_MID_LOW = np.array([1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
                     0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187,
                     1.0])
_FAR_TOP = np.array([2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
                     0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699,
                     6.6579046435011037772])
_FAR_LOW = np.array([2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
                     7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
                     0.59983220655588793769, 1.0])


# the normal score of a logit up to LOGIT_END, fitted to AS 241: right to 5e-11
_LOGIT_TOP = np.array([0.1364365003996879, 1.8092663408670449, 10.191204506992792, 32.63332860634074, 66.3092251156415,
                       89.56470858043961, 81.09382370162224, 47.79688860199211, 16.7378804308637, 2.6662450150205])
_LOGIT_LOW = np.array([0.09639784758151508, 1.1247242413588923, 5.7269471637307925, 16.884852296905144,
                       32.0099920279845, 40.72523052843681, 34.96652329010457, 19.631239544085677, 6.565715240515402,
                       1.0])
_SINC = np.array([(-1.0) ** n * math.pi ** (2 * n) / math.factorial(2 * n + 1) for n in range(14, 0, -1)])


@jit
def ratio(top, low, x):
    """Return the ratio of two polynomials, highest power first."""
    over, under = 0.0, 0.0
    for i in range(top.size):
        over = over * x + top[i]
        under = under * x + low[i]
    return over / under


@jit
def quantile_of_tail(tail, log_tail):
    """Return the normal score that is exceeded with probability `tail` <= 0.5, of which the logarithm is given."""
    if tail > 0.075:
        q = 0.5 - tail
        return q * ratio(_NEAR_TOP, _NEAR_LOW, 0.180625 - q * q)
    r = math.sqrt(-log_tail)
    if r <= 5.0:
        return ratio(_MID_TOP, _MID_LOW, r - 1.6)
    return ratio(_FAR_TOP, _FAR_LOW, r - 5.0)


@jit
def normal_score(below, above):
    """Return the score of the normal distribution from the probabilities `below` and `above` it."""
    if below <= 0.0 or above <= 0.0:
        return -np.inf if below <= 0.0 else np.inf
    return -quantile_of_tail(below, math.log(below)) if below < above else quantile_of_tail(above, math.log(above))


@jit
def normal_scores(below, above, scores):
    """Fill `scores` with those of arrays of probabilities."""
    for i in range(below.size):
        scores[i] = normal_score(below[i], above[i])


@jit
def running_sums(values, first, width, scale, offset, sums, ends, run):
    """Fill the first `width` lanes of `sums` with those of `scale` months up to each, NaN where one is missing.

    Time is cut into pieces of `scale` months, so that a sum is that of the end of one piece, kept in
    `ends` (scale, LANES), and of the beginning of the next, in `run` (LANES): three additions for any scale.
    """
    length = values.shape[0]
    plus = scale * offset
    ends[:] = np.nan
    for begin in range(0, length, scale):
        run[:] = plus
        for time in range(begin, min(begin + scale, length)):
            given, row = values[time, first:first + width], sums[time]
            whole = time == begin + scale - 1
            before = ends[0 if whole else time - begin + 1]
            for lane in range(width):
                value = given[lane]
                run[lane] += value if abs(value) < np.inf else np.nan
                row[lane] = run[lane] if whole else run[lane] + before[lane]
        if begin + scale <= length:
            run[:] = 0.0
            for i in range(scale - 1, -1, -1):
                given, row = values[begin + i, first:first + width], ends[i]
                for lane in range(width):
                    value = given[lane]
                    run[lane] += value if abs(value) < np.inf else np.nan
                    row[lane] = run[lane]


@jit
def gather(sums, month_of, month, fitted, sample):
    """Copy the sums of one calendar month that are fitted on into `sample`, +inf for missing ones and as filling."""
    count = 0
    for time in range(sums.shape[0]):
        if month_of[time] == month and fitted[time]:
            source, target = sums[time], sample[count]
            for lane in range(LANES):
                target[lane] = source[lane] if source[lane] == source[lane] else np.inf
            count += 1
    for spare in range(count, sample.shape[0]):
        sample[spare, :] = np.inf


@jit
def sort_lanes(sample, network):
    """Sort each column of `sample` by the exchanges of a sorting network."""
    for step in range(network.shape[0]):
        upper, lower = sample[network[step, 0]], sample[network[step, 1]]
        for lane in range(LANES):
            a, b = upper[lane], lower[lane]
            upper[lane] = a if a < b else b
            lower[lane] = b if a < b else a


@jit
def weighted_moments(sample, count, b0, b1, b2):
    """Fill the unbiased probability weighted moments of the sorted columns, and how many values they have."""
    count[:], b0[:], b1[:], b2[:] = 0.0, 0.0, 0.0, 0.0
    for rank in range(0, sample.shape[0] - 1, 2):  # two at once: half the traffic
        one, two = sample[rank], sample[rank + 1]
        r = np.float64(rank)
        for lane in range(LANES):
            has_one, has_two = one[lane] < np.inf, two[lane] < np.inf
            first = one[lane] if has_one else 0.0
            second = two[lane] if has_two else 0.0
            count[lane] += (1.0 if has_one else 0.0) + (1.0 if has_two else 0.0)
            b0[lane] += first + second
            b1[lane] += r * first + (r + 1) * second
            b2[lane] += r * (r - 1) * first + (r + 1) * r * second
    if sample.shape[0] % 2:
        last = sample[sample.shape[0] - 1]
        r = np.float64(sample.shape[0] - 1)
        for lane in range(LANES):
            if last[lane] < np.inf:
                count[lane] += 1.0
                b0[lane] += last[lane]
                b1[lane] += r * last[lane]
                b2[lane] += r * (r - 1) * last[lane]
    for lane in range(LANES):
        n = count[lane]
        if n >= FEWEST:
            b0[lane] /= n
            b1[lane] /= n * (n - 1)
            b2[lane] /= n * (n - 1) * (n - 2)


@jit
def fit_log_logistic(sample, count, b0, b1, b2, location, scale, shape):
    """Fill location, inverse scale and shape of the generalised logistic distribution; NaN where it has none."""
    for lane in range(LANES):
        n = np.int64(count[lane])
        second = 2 * b1[lane] - b0[lane]
        size = max(abs(sample[0, lane]), abs(sample[max(n - 1, 0), lane]))
        kappa = -np.divide(6 * b2[lane] - 6 * b1[lane] + b0[lane], second)
        good = n >= FEWEST and second > EVEN * size and abs(kappa) < NEARLY_ONE
        shape[lane] = kappa if good else np.nan
        scale[lane] = second
    for lane in range(LANES):
        kappa = shape[lane]
        square = kappa * kappa
        rest = 0.0
        for power in range(_SINC.size):  # (sin(pi kappa) / (pi kappa) - 1) / kappa^2
            rest = rest * square + _SINC[power]
        sinc = 1 + square * rest
        alpha = scale[lane] * sinc
        location[lane] = b0[lane] - np.divide(alpha * kappa * rest, sinc)
        scale[lane] = np.divide(1.0, alpha)


@jit
def logarithm(x):
    """Return the natural logarithm of a number from `TINY`; written out, so that loops become vector instructions."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _ROOT_HALF) >> 52
    mantissa = np.int64(bits - (exponent << 52)).view(np.float64)
    s = np.divide(mantissa - 1.0, mantissa + 1.0)
    q = s * s
    p = 1 / 19.0
    p = p * q + 1 / 17.0
    p = p * q + 1 / 15.0
    p = p * q + 1 / 13.0
    p = p * q + 1 / 11.0
    p = p * q + 1 / 9.0
    p = p * q + 1 / 7.0
    p = p * q + 1 / 5.0
    p = p * q + 1 / 3.0
    p = p * q + 1.0
    return 2.0 * s * p + exponent * _LOG_2


@jit
def logits(sums, location, scale, shape, per_shape, result):
    """Fill `result` with the logarithm of F / (1 - F) of each lane; +-FAR outside the range of the distribution."""
    for lane in range(LANES):
        kappa = shape[lane]
        u = (sums[lane] - location[lane]) * scale[lane]
        inside = 1.0 - kappa * u
        v = kappa * u
        straight = u * (1.0 + v * (0.5 + v * (1 / 3.0 + v * 0.25)))
        curved = -logarithm(inside if inside > TINY else TINY) * per_shape[lane]
        value = straight if abs(kappa) < STRAIGHT else curved
        value = value if inside > TINY else (FAR if kappa > 0.0 else -FAR)
        result[lane] = value if u == u else np.nan


@jit
def logistic_scores(logit, clip, result, first, width):
    """Write the normal scores of logits into `result[first:first + width]`; beyond `clip` they are set to it."""
    far = 0
    for lane in range(width):
        value = logit[lane]
        size = abs(value)
        far += 1 if size > LOGIT_END else 0
        size = size if size < LOGIT_END else LOGIT_END
        r = math.sqrt(size + LOGIT_BEND) - math.sqrt(LOGIT_BEND)
        x = r * LOGIT_SCALE - 1.0
        top, low = _LOGIT_TOP[0], _LOGIT_LOW[0]
        for power in range(1, 10):
            top = top * x + _LOGIT_TOP[power]
            low = low * x + _LOGIT_LOW[power]
        score = r * np.divide(top, low)
        score = clip if score > clip else score
        score = score if value >= 0.0 else -score
        result[first + lane] = score if value == value else np.nan
    if far > 0 and clip > 8.0:
        for lane in range(width):
            if abs(logit[lane]) > LOGIT_END:
                score = np.inf
                if abs(logit[lane]) < FAR:
                    score = ratio(_FAR_TOP, _FAR_LOW, math.sqrt(abs(logit[lane])) - 5.0)
                result[first + lane] = math.copysign(min(score, clip), logit[lane])


@jit
def log_logistic_index(values, first, last, month_of, fitted, scale, network, years, clip, out):
    """Fill columns `first` to `last` of `out` (time, pixels) with the index of a log-logistic distribution."""
    length = values.shape[0]
    sums = np.full((length, LANES), np.nan)
    ends, run = np.empty((scale, LANES)), np.empty(LANES)
    sample = np.empty((years, LANES))
    count, b0, b1, b2 = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    location, inverse, shape, logit = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    per_shape = np.empty(LANES)
    for start in range(first, last, LANES):
        width = min(LANES, last - start)
        running_sums(values, start, width, scale, 0.0, sums, ends, run)
        for month in range(12):
            gather(sums, month_of, month, fitted, sample)
            sort_lanes(sample, network)
            weighted_moments(sample, count, b0, b1, b2)
            fit_log_logistic(sample, count, b0, b1, b2, location, inverse, shape)
            for lane in range(LANES):
                per_shape[lane] = 1.0 / shape[lane] if abs(shape[lane]) >= STRAIGHT else 0.0
            for time in range(length):
                if month_of[time] == month:
                    logits(sums[time], location, inverse, shape, per_shape, logit)
                    logistic_scores(logit, clip, out[time], start, width)
