"""Light on a surface: two lamps and a sky, highlights, and a made-up studio for what mirrors."""

from __future__ import annotations

import numpy as np

from .arrays import Array, dot, unit, vec
from .surfaces import Surface


def _key_light(turned: float) -> Array:
    """Direction to the key light: above, to the left, in front; turned by degrees."""
    angle = np.radians(-38 + turned)
    return unit(vec([np.sin(angle) * 0.85, 0.78, np.cos(angle) * 0.72]))


def _studio(mirrored: Array) -> Array:
    """Brightness that a mirror sees in a direction (n, 3): bright ceiling, dark horizon, two softboxes."""
    x, y = mirrored[:, 0], mirrored[:, 1]
    sky = 0.62 + 0.5 * np.clip(y * 1.6 + 0.1, -0.7, 0.8)
    horizon = -0.38 * np.exp(-(((y + 0.08) / 0.16) ** 2))
    boxes = 0.75 * np.exp(-(((x + 0.5) / 0.17) ** 2)) * (y > -0.5) + 0.3 * np.exp(-(((x - 0.68) / 0.12) ** 2))
    return np.clip(sky + horizon + boxes, 0.12, 1.7).astype(np.float32)


def shade(albedo: Array, normal: Array, occlusion: Array, surface: Surface, light_turned: float) -> Array:
    """Colours (n, 3) of a surface with colour `albedo` (n, 3) and camera-space normals (n, 3)."""
    if surface.glow:
        return np.clip(albedo * (0.9 + 0.2 * normal[:, 2:3]), 0, 1)
    key = _key_light(light_turned)
    lit = np.clip(dot(normal, key), 0, 1)
    side = np.clip(dot(normal, vec([0.75, 0.15, 0.62])), 0, 1)
    diffuse = (0.48 + 0.12 * normal[:, 1] + 0.50 * lit + 0.12 * side) * occlusion
    color = albedo * diffuse[:, None]
    if surface.sheen:
        rim = (1 - np.clip(normal[:, 2], 0, 1)) ** 2 * surface.sheen * occlusion
        color = color + (albedo * 0.6 + 0.4 * albedo.max(1, keepdims=True)) * rim[:, None]
    if surface.mirror:
        mirrored = 2 * normal[:, 2:3] * normal - vec([0, 0, 1])
        seen = (_studio(mirrored) * (0.45 + 0.55 * occlusion))[:, None]
        color = color * (1 - surface.mirror) + seen * (albedo * 0.92 + 0.05) * surface.mirror
    if surface.shine:
        halfway = unit(key + vec([0, 0, 1]))
        spot = np.clip(dot(normal, halfway), 0, 1) ** np.float32(surface.gloss)
        color = color + (spot * occlusion * np.float32(surface.shine * 0.62))[:, None]
    return np.clip(color, 0, 1)
