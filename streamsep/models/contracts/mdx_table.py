"""Parameters of the MDX-Net models that were published, by the MD5 of their files' ends.

The first 41 stand in UVR's ``model_data_new.json`` (TRvlvr/application_data); HQ_4's, the last but
one, are given alike by four programs that use the file; HQ_5's stand in python-audio-separator's
``model-data.json``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MdxParameters:
    """What has to be known besides the graph.

    Attributes
    ----------
    n_fft
        Samples per frame.
    stems
        What the graph estimates, each by any of its names, in the output's order.
    compensate
        Gain of what comes out.
    dim_f, dim_t
        Bins and frames of the graph; None when only the graph says.
    karaoke
        Whether the vocals are the lead voice alone.
    hop_length
        Samples from frame to frame.
    normalised
        Whether the graph's spectra are those of a transform divided by the root of n_fft.
    """

    n_fft: int
    stems: tuple[str, ...] = ("vocals",)
    compensate: float = 1.0
    dim_f: int | None = None
    dim_t: int | None = None
    karaoke: bool = False
    hop_length: int = 1_024
    normalised: bool = False


def _of(
    n_fft: int, dim_f: int, dim_t: int, stem: str, compensate: float, *, karaoke: bool = False
) -> MdxParameters:
    return MdxParameters(n_fft, (stem,), compensate, dim_f, dim_t, karaoke)


PUBLISHED = {
    "0ddfc0eb5792638ad5dc27850236c246": _of(6144, 2048, 256, "vocals", 1.035),
    "26d308f91f3423a67dc69a6d12a8793d": _of(8192, 2048, 512, "other", 1.035),
    "2cdd429caac38f0194b133884160f2c6": _of(7680, 3072, 256, "instrumental", 1.045),
    "2f5501189a2f6db6349916fabe8c90de": _of(6144, 2048, 256, "vocals", 1.035, karaoke=True),
    "398580b6d5d973af3120df54cee6759d": _of(7680, 3072, 256, "vocals", 1.75),
    "488b3e6f8bd3717d9d7c428476be2d75": _of(7680, 3072, 256, "instrumental", 1.035),
    "4910e7827f335048bdac11fa967772f9": _of(4096, 2048, 128, "drums", 1.035),
    "53c4baf4d12c3e6c3831bb8f5b532b93": _of(7680, 3072, 256, "vocals", 1.043),
    "5d343409ef0df48c7d78cce9f0106781": _of(7680, 3072, 256, "vocals", 1.075),
    "5f6483271e1efb9bfb59e4a3e6d4d098": _of(6144, 2048, 512, "vocals", 1.035),
    "65ab5919372a128e4167f5e01a8fda85": _of(8192, 2048, 256, "other", 1.035),
    "6703e39f36f18aa7855ee1047765621d": _of(16384, 2048, 512, "bass", 1.035),
    "6b31de20e84392859a3d09d43f089515": _of(6144, 2048, 256, "vocals", 1.035),
    "867595e9de46f6ab699008295df62798": _of(7680, 3072, 256, "vocals", 1.03),
    "a3cd63058945e777505c01d2507daf37": _of(6144, 2048, 256, "vocals", 1.03),
    "b33d9b3950b6cbf5fe90a32608924700": _of(7680, 3072, 256, "vocals", 1.03),
    "c3b29bdce8c4fa17ec609e16220330ab": _of(16384, 2048, 256, "bass", 1.035),
    "ceed671467c1f64ebdfac8a2490d0d52": _of(7680, 3072, 256, "instrumental", 1.035),
    "d2a1376f310e4f7fa37fb9b5774eb701": _of(7680, 3072, 256, "instrumental", 1.035),
    "d7bff498db9324db933d913388cba6be": _of(6144, 2048, 256, "vocals", 1.035),
    "d94058f8c7f1fae4164868ae8ae66b20": _of(6144, 2048, 256, "vocals", 1.035),
    "dc41ede5961d50f277eb846db17f5319": _of(4096, 2048, 512, "drums", 1.035),
    "e5572e58abf111f80d8241d2e44e7fa4": _of(7680, 3072, 256, "instrumental", 1.028),
    "e7324c873b1f615c35c1967f912db92a": _of(7680, 3072, 256, "vocals", 1.03),
    "1c56ec0224f1d559c42fd6fd2a67b154": _of(5120, 2048, 256, "instrumental", 1.025),
    "f2df6d6863d8f435436d8b561594ff49": _of(7680, 3072, 256, "instrumental", 1.035),
    "b06327a00d5e5fbc7d96e1781bbdb596": _of(6144, 3072, 256, "instrumental", 1.035),
    "94ff780b977d3ca07c7a343dab2e25dd": _of(6144, 3072, 256, "instrumental", 1.039),
    "73492b58195c3b52d34590d5474452f6": _of(7680, 3072, 256, "vocals", 1.043),
    "970b3f9492014d18fefeedfe4773cb42": _of(7680, 3072, 256, "vocals", 1.009),
    "1d64a6d2c30f709b8c9b4ce1366d96ee": _of(5120, 2048, 256, "instrumental", 1.065, karaoke=True),
    "203f2a3955221b64df85a41af87cf8f0": _of(6144, 3072, 256, "instrumental", 1.035),
    "291c2049608edb52648b96e27eb80e95": _of(6144, 3072, 256, "instrumental", 1.035),
    "ead8d05dab12ec571d67549b3aab03fc": _of(6144, 3072, 256, "instrumental", 1.035),
    "cc63408db3d80b4d85b0287d1d7c9632": _of(6144, 3072, 256, "instrumental", 1.033),
    "cd5b2989ad863f116c855db1dfe24e39": _of(6144, 3072, 512, "reverb", 1.035),
    "55657dd70583b0fedfba5f67df11d711": _of(6144, 3072, 256, "instrumental", 1.022),
    "b6bccda408a436db8500083ef3491e8b": _of(7680, 3072, 256, "instrumental", 1.02),
    "8a88db95c7fb5dbe6a095ff2ffb428b1": _of(5120, 2048, 256, "instrumental", 1.026),
    "b78da4afc6512f98e4756f5977f5c6b9": _of(7680, 3072, 256, "instrumental", 1.021),
    "77d07b2667ddf05b9e3175941b4454a0": _of(7680, 3072, 256, "vocals", 1.021),
    "0f2a6bc5b49d87d64728ee40e23bceb1": _of(5120, 2560, 256, "instrumental", 1.019),
    "cb790d0c913647ced70fc6b38f5bea1a": _of(5120, 2560, 256, "instrumental", 1.01),
}
