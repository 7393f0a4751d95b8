from tasks.schema.evaluation import current_key, current_keys


def test_an_evaluation_written_with_former_names_reads_as_one_of_today() -> None:
    stored = {
        "split": "strict",
        "text_to_image": {"strict": {"mrr": {"value": 0.5}}, "multi_positive": {}},
        "model": [{"image_to_text": {"strict": 1}}],
        "differences": {"test": {"text_to_image/strict/mrr": 0.1, "text_to_image/multi_positive/mrr": 0.2}},
    }
    current = {
        "split": "strict",
        "text_to_image": {"single_positive": {"mrr": {"value": 0.5}}, "multi_positive": {}},
        "model": [{"image_to_text": {"single_positive": 1}}],
        "differences": {"test": {"text_to_image/single_positive/mrr": 0.1, "text_to_image/multi_positive/mrr": 0.2}},
    }
    assert current_keys(stored) == current
    assert current_keys(current) == current
    assert current_key("text_to_image/strict/rank") == "text_to_image/single_positive/rank"
    assert current_key("text_to_image") == "text_to_image"
