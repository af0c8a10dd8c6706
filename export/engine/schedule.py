"""Learning rate schedules, as functions of the share of a run that is over."""

from __future__ import annotations

SCHEDULES = ("constant", "cosine")


WARM_UP_SHARE = 0.03


FINAL_SHARE = 0.02


def learning_rate_factor(schedule: str, done: float) -> float:
    """Return what to multiply the learning rate by.

    Parameters
    ----------
    schedule
        ``"constant"``; or ``"cosine"``: up within the first hundredths of the run, then down to a
        fiftieth along a half cosine.
    done
        Share of the run that is over, 0 to 1.

    Returns
    -------
    float
        Over 0, at most 1.

    References
    ----------
    .. [1] Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """
    import math

    if schedule == "constant":
        return 1.0
    if done < WARM_UP_SHARE:
        return max(done / WARM_UP_SHARE, 0.01)
    fall = (min(done, 1.0) - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
    return FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * fall))
