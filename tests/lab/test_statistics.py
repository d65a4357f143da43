"""Intervals against scipy's, and against how often they hold what was planted."""

import numpy as np
import pytest
from scipy import stats

from flatfield.lab.statistics import (
    bootstrap_interval,
    mean_interval,
    paired_difference,
    share_interval,
    slope_interval,
)

RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize("count", [2, 3, 5, 40])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_mean_interval_is_scipys(count: int, level: float) -> None:
    data = RANDOM.normal(3.0, 2.0, count)
    ours = mean_interval(data, level)
    theirs = stats.t.interval(level, count - 1, loc=data.mean(), scale=stats.sem(data))
    assert (ours.low, ours.high) == pytest.approx(theirs, rel=1e-9)
    assert ours.estimate == pytest.approx(data.mean())


def test_paired_difference_is_scipys() -> None:
    first, second = RANDOM.normal(size=(2, 8))
    theirs = stats.ttest_rel(first, second).confidence_interval(0.95)
    ours = paired_difference(first, second)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


@pytest.mark.parametrize(("hits", "count"), [(0, 200), (200, 200), (3, 10), (1, 1), (117, 200)])
def test_share_interval_is_scipys(hits: int, count: int) -> None:
    theirs = stats.binomtest(hits, count).proportion_ci(0.95, method="exact")
    ours = share_interval(hits, count)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_slope_interval_is_scipys() -> None:
    x = RANDOM.uniform(0, 10, 30)
    y = 0.7 * x + RANDOM.normal(size=30)
    ours, theirs = slope_interval(x, y), stats.linregress(x, y)
    reach = stats.t.ppf(0.975, 28) * theirs.stderr
    assert ours.estimate == pytest.approx(theirs.slope)
    assert (ours.low, ours.high) == pytest.approx((theirs.slope - reach, theirs.slope + reach), rel=1e-9)


def test_bootstrap_interval_is_scipys() -> None:
    data = RANDOM.exponential(size=60)
    ours = bootstrap_interval(data)
    theirs = stats.bootstrap((data,), np.median, method="percentile", n_resamples=9999, rng=5).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.06)


def test_intervals_hold_what_was_planted() -> None:
    """Of 2,000 planted slopes, means and shares, 95% lie inside; the exact interval of a share holds no fewer."""
    slopes = means = shares = 0
    x = np.linspace(0, 1, 12)
    for _ in range(2000):
        slope = slope_interval(x, 2.0 * x + RANDOM.normal(size=12))
        slopes += slope.low <= 2.0 <= slope.high
        mean = mean_interval(RANDOM.normal(1.0, 3.0, 5))
        means += mean.low <= 1.0 <= mean.high
        share = share_interval(int(RANDOM.binomial(30, 0.3)), 30)
        shares += share.low <= 0.3 <= share.high
    assert 0.94 <= slopes / 2000 <= 0.96 + 0.005
    assert 0.94 <= means / 2000 <= 0.96 + 0.005
    assert shares / 2000 >= 0.945


def test_too_few_values_have_no_interval() -> None:
    assert np.isnan(mean_interval([1.0]).low)
    assert np.isnan(slope_interval([0.0, 1.0], [0.0, 1.0]).high)
    assert not mean_interval([1.0]).excludes(5.0)
    with pytest.raises(ValueError, match="all 3 values of x are equal"):
        slope_interval([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
