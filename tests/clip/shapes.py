"""Coloured shapes: 64 products that a tiny model can tell apart, and tiny models to try on them."""

import io
import json
from pathlib import Path

import open_clip
import torch
from PIL import Image, ImageDraw

from tasks.clip.data import TrainingData
from tasks.clip.folder import save_model

COLORS = {
    "red": (220, 30, 30), "green": (30, 160, 50), "blue": (40, 60, 220), "yellow": (240, 210, 40),
    "purple": (140, 40, 160), "orange": (240, 130, 20), "black": (20, 20, 20), "grey": (140, 140, 140),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "cross")
GROUNDS = {"white": (255, 255, 255), "pink": (250, 180, 200)}

TINY_VIT = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
TINY_RESNET = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear"},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def shape_image(color: str, shape: str, ground: str, side: int = 48) -> bytes:
    """JPEG of one shape."""
    image = Image.new("RGB", (side, side), GROUNDS[ground])
    draw, box = ImageDraw.Draw(image), (side // 6, side // 6, side - side // 6, side - side // 6)
    left, top, right, bottom = box
    if shape == "circle":
        draw.ellipse(box, fill=COLORS[color])
    elif shape == "square":
        draw.rectangle(box, fill=COLORS[color])
    elif shape == "triangle":
        draw.polygon([(left, bottom), (right, bottom), (side // 2, top)], fill=COLORS[color])
    else:
        draw.rectangle((side // 2 - 5, top, side // 2 + 5, bottom), fill=COLORS[color])
        draw.rectangle((left, side // 2 - 5, right, side // 2 + 5), fill=COLORS[color])
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def shapes(count: int = 64) -> TrainingData:
    """The first ``count`` of 64 products, each with a title and short captions; a group is a shape on a ground."""
    rows = [(color, shape, ground) for ground in GROUNDS for color in COLORS for shape in SHAPES][:count]
    captions = [
        {"title": f"{color} {shape} on {ground}", "color_type": f"{color} {shape}", "type": shape}
        for color, shape, ground in rows
    ]
    return TrainingData(
        captions, [shape_image(*row) for row in rows], [f"{shape}/{ground}" for _, shape, ground in rows]
    )


def make_model(folder: Path, model_cfg: dict, seed: int = 0) -> Path:
    """A folder with a tiny model of random weights."""
    torch.manual_seed(seed)
    config = {
        "model_cfg": json.loads(json.dumps(model_cfg)),
        "preprocess_cfg": {"size": model_cfg["vision_cfg"]["image_size"]},
    }
    save_model(open_clip.CLIP(**model_cfg), config, folder)
    return folder
