"""Take the image of a product: camera, light, surfaces, shadow and background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .arrays import Array, bounds, dot, middle, rotate, rotation_about, unit, vec
from .designs import Product
from .mesh import Scene
from .raster import Hits, Quads, blur, gather, rasterize
from .shading import shade
from .shapes import build_scene
from .stage import draw_background, floor_shadow, wall_shadow
from .surfaces import surface_of

_OVERSAMPLING = 1.5
_DISTANCE = 3.4  # of the camera, in product sizes
_VIEW = 31


@dataclass(frozen=True)
class Camera:
    """Where the product is seen from: degrees, share of the frame, shift and lighting of this image."""

    yaw: float
    pitch: float
    fill: float
    light: float  # degrees that the key light is turned
    brightness: float


def _camera(product: Product, scene: Scene, view: int, revision: int) -> Camera:
    """The main view jitters around what suits the shape; the second view is taken from the other side."""
    rng = product.rng(_VIEW, product.member, view, revision)
    swing, nod = (9.0, 4.0) if scene.stage != "wall" else (5.0, 2.5)
    yaw = scene.yaw + rng.uniform(-swing, swing)
    pitch = scene.pitch + rng.uniform(-nod, nod)
    if view == 1:
        yaw, pitch = (-yaw * 0.9 - 4, pitch + 8) if scene.stage != "wall" else (-yaw - 14, pitch + 3)
    light = rng.uniform(-14, 14) + (rng.choice([-40, 35]) if revision else 0)
    fill = scene.fill * rng.uniform(0.93, 1.04) * (0.92 if revision else 1)
    return Camera(float(yaw), float(pitch), float(fill), float(light), float(rng.uniform(0.97, 1.04)))


def _place(quads: Quads) -> tuple[Array, float, Array]:
    """Points moved to the origin and scaled to size 1, that size, and the height 0..1 of every corner."""
    low, high = bounds(quads.points)
    size = float((high - low).max())
    points = (quads.points - vec([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])) / np.float32(size)
    height = (quads.points[..., 1:2] - low[1]) / max(float(high[1] - low[1]), 1e-6)
    return points, size, height


def _project(points: Array, camera: Camera) -> Array:
    """Camera coordinates: x right, y up, z towards the camera, with perspective."""
    seen = rotate(rotate(points, rotation_about("y", camera.yaw)), rotation_about("x", camera.pitch))
    factor = _DISTANCE / (_DISTANCE - seen[..., 2:3])
    return np.concatenate([seen[..., :2] * factor, seen[..., 2:3]], -1)


def _frame(seen: Array, size: int, fill: float) -> tuple[float, Array]:
    """Pixels per unit and the offset that centre the product in the frame."""
    low, high = bounds(seen[..., :2])
    scale = min(fill, 0.97) * size / float((high - low).max())
    return scale, vec([size / 2, size / 2]) - vec([1, -1]) * (low + high) / 2 * np.float32(scale)


def _to_pixels(seen: Array, scale: float, offset: Array) -> Array:
    flat = seen[..., :2] * vec([scale, -scale]) + offset
    return np.concatenate([flat, seen[..., 2:3]], -1)


def render(product: Product, view: int, revision: int, size: int) -> NDArray[np.uint8]:
    """The image (size, size, 3) of a product; view 1 is its second image, revision counts retakes."""
    scene = build_scene(product)
    camera = _camera(product, scene, view, revision)
    quads, names = gather(scene)
    points, extent, height = _place(quads)
    normals = rotate(rotate(quads.normals, rotation_about("y", camera.yaw)), rotation_about("x", camera.pitch))
    seen = _project(points, camera)
    big = round(size * _OVERSAMPLING)
    scale, offset = _frame(seen, big, camera.fill)
    screen = _to_pixels(seen, scale, offset)
    canvas = draw_background(product, scene, view, revision, big, screen)
    if scene.stage == "floor":
        canvas *= floor_shadow(points, lambda p: _to_pixels(_project_turned(p, camera), scale, offset), camera.yaw, big)
    toward = unit(vec([0, 0, _DISTANCE]) - middle(seen))
    front = ~quads.solid | (dot(middle(normals), toward) > -0.12)
    hits, near = rasterize(screen[front], big)
    if scene.stage == "wall":
        canvas *= wall_shadow(hits.pixel, big)
    color = _colors(
        product, scene, quads.keep(front), names, normals[front], height[front], extent, hits, near, camera, big
    )
    canvas.reshape(-1, 3)[hits.pixel] = color
    return _develop(canvas * camera.brightness, size)


def _project_turned(points: Array, camera: Camera) -> Array:
    """Like `_project` for points that are already turned by the yaw."""
    return _project(points, Camera(0.0, camera.pitch, camera.fill, camera.light, camera.brightness))


def _colors(
    product: Product,
    scene: Scene,
    quads: Quads,
    names: list[str],
    normals: Array,
    height: Array,
    extent: float,
    hits: Hits,
    near: Array,
    camera: Camera,
    size: int,
) -> Array:
    """The shaded colour (n, 3), 0..1, of every covered pixel."""
    blended = hits.blend(np.concatenate([normals, quads.uv, height], -1))
    normal, uv, level = unit(blended[:, :3]), blended[:, 3:5], blended[:, 5]
    normal = np.where(normal[:, 2:3] < 0, -normal, normal)  # open surfaces show their back
    color = np.empty((len(hits.pixel), 3), np.float32)
    facing = np.clip(normal[:, 2] * 1.7 - 0.15, 0, 1)  # a surface that turns away is far only from itself
    occlusion = 1 - (1 - _occlusion(hits.pixel, near, size)) * facing
    slot = quads.slot[hits.quad]
    for number, name in enumerate(names):
        mask = slot == number
        if mask.any():
            surface = surface_of(name, product, scene)
            albedo = surface.albedo(uv[mask], extent, level[mask])
            color[mask] = shade(albedo, normal[mask], occlusion[mask], surface, camera.light)
    return color


def _occlusion(pixel: NDArray[np.integer], near: Array, size: int) -> Array:
    """How much light reaches each pixel, 0..1: less where the surroundings stand nearer to the camera."""
    mask, depth = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    mask.ravel()[pixel], depth.ravel()[pixel] = 1, near
    mask, depth = mask[::2, ::2], depth[::2, ::2] * mask[::2, ::2]  # soft anyway: half the pixels a side will do
    place = (pixel // size // 2) * mask.shape[1] + pixel % size // 2
    light = np.ones(len(pixel), np.float32)
    for radius, strength in ((1, 0.35), (4, 0.42)):
        mean = (blur(depth, radius) / np.maximum(blur(mask, radius), 1e-3)).ravel()[place]
        light *= 1 - strength * np.clip((mean - near) / np.float32(0.021 * radius), 0, 1)
    return light


def _develop(canvas: Array, size: int) -> NDArray[np.uint8]:
    """Shrink the oversampled image to its final size."""
    pixels = np.clip(canvas * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.HAMMING))
