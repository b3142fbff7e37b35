"""Post-processes the raw outputs of detectors with torchvision: cases as JSON on standard input, boxes on standard output."""

import json
import sys
from types import SimpleNamespace

import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import batched_nms, box_convert, clip_boxes_to_image


def tensor(output):
    return torch.tensor(output["values"], dtype=torch.float32).reshape(output["shape"])


def settings(case):
    """What the post-processing of torchvision's models reads of them."""
    return SimpleNamespace(
        box_coder=BoxCoder(weights=(1.0, 1.0, 1.0, 1.0)),
        score_thresh=case["minScore"],
        nms_thresh=case["iouThreshold"],
        topk_candidates=case["maxCandidates"],
        detections_per_img=case["maxDetections"],
    )


def ssd(case):
    """Boxes are anchors that nothing is added to, so that they are decoded to themselves."""
    boxes = tensor(case["outputs"]["boxes"])[0]
    logits = tensor(case["outputs"]["scores"])
    head = {"bbox_regression": torch.zeros(1, len(boxes), 4), "cls_logits": logits}
    (found,) = SSD.postprocess_detections(
        settings(case), head, [boxes], [(case["height"], case["width"])]
    )
    return found["boxes"], found["scores"], found["labels"]


def retinanet(case):
    boxes = tensor(case["outputs"]["boxes"])[0]
    logits = tensor(case["outputs"]["scores"])
    head = {"bbox_regression": [torch.zeros(1, len(boxes), 4)], "cls_logits": [logits]}
    (found,) = RetinaNet.postprocess_detections(
        settings(case), head, [[boxes]], [(case["height"], case["width"])]
    )
    return found["boxes"], found["scores"], found["labels"]


def yolo(case):
    """As the tools around YOLO do it, by torchvision's operators."""
    rows = tensor(case["outputs"]["output0"])[0].T
    scores, labels = rows[:, 4:].max(dim=1)
    kept = scores > case["minScore"]
    boxes = box_convert(rows[kept, :4], "cxcywh", "xyxy")
    scores, labels = scores[kept], labels[kept]
    best = scores.argsort(descending=True, stable=True)[: case["maxCandidates"]]
    boxes, scores, labels = boxes[best], scores[best], labels[best]
    best = batched_nms(boxes, scores, labels, case["iouThreshold"])[: case["maxDetections"]]
    left, top, gain = case["left"], case["top"], case["gain"]
    boxes = (boxes[best] - torch.tensor([left, top, left, top])) / gain
    boxes = clip_boxes_to_image(boxes, (case["height"], case["width"]))
    return boxes, scores[best], labels[best]


def detr(case):
    probabilities = tensor(case["outputs"]["logits"]).softmax(-1)[0]
    scores, labels = probabilities[:, :-1].max(-1)
    boxes = box_convert(tensor(case["outputs"]["pred_boxes"])[0], "cxcywh", "xyxy")
    width, height = case["width"], case["height"]
    boxes = clip_boxes_to_image(boxes * torch.tensor([width, height, width, height]), (height, width))
    kept = scores > case["minScore"]
    return boxes[kept], scores[kept], labels[kept]


def exported(case):
    """Boxes of an exported model are in pixels of its input: torchvision takes them back as after its own resizing."""
    size = (case["height"], case["width"])
    boxes = resize_boxes(tensor(case["outputs"]["boxes"]), case["inputSize"], size)
    return boxes, tensor(case["outputs"]["scores"]), tensor(case["outputs"]["labels"])


def main():
    answers = []
    for case in json.load(sys.stdin):
        boxes, scores, labels = globals()[case["form"]](case)
        order = scores.argsort(descending=True, stable=True)
        answers.append(
            {
                "boxes": boxes[order].tolist(),
                "scores": scores[order].tolist(),
                "labels": [int(label) for label in labels[order]],
            }
        )
    json.dump(answers, sys.stdout)


main()
