"""Draws are the same everywhere: pinned values, and shapes that keep their promises."""

from __future__ import annotations

import numpy as np
import pytest

from services.warehouse._draws import Draws, shares


def test_draws_are_pinned() -> None:
    """A seed gives these very numbers, whatever the machine and NumPy's version."""
    draws = Draws(1)

    assert [0.5118216247002567, 0.9504636963259353] == draws.uniform(2).tolist()
    assert [1, 9, 3, 4] == draws.whole(4, 0, 9).tolist()
    assert [0.0003245789303960578, 0.11500699845185736] == draws.bell(2).tolist()
    assert [0.9188703863836887, 2.0051718847404967] == draws.skewed(2, 0.6).tolist()


def test_whole_numbers_reach_both_ends() -> None:
    """Both bounds are drawn, and nothing beyond them."""
    drawn = Draws(2).whole(2_000, 3, 6)

    assert {3, 4, 5, 6} == set(drawn.tolist())


def test_a_choice_of_weight_nothing_is_never_made() -> None:
    """Only indices with weight come up, roughly as often as their weights say."""
    counts = np.bincount(Draws(3).choice(10_000, [0.0, 1.0, 0.0, 3.0, 0.0]), minlength=5)

    assert [0, 0, 0] == counts[[0, 2, 4]].tolist()
    assert 0.23 < counts[1] / 10_000 < 0.27


def test_shares_add_up() -> None:
    """Parts are multiples of the step and add up to the total but for their rounding."""
    parts = shares(Draws(4).skewed(50, 0.7), 1e9, 1_000)

    assert int((parts % 1_000).sum()) == 0  # ((parts % 1_000).sum())
    assert 1e9 == pytest.approx(int(parts.sum()), abs=50 * 500)
