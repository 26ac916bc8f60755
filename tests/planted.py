"""A small pool with four planted topics, and a project made of it."""

import numpy as np

TOPICS = {
    "cooking": "simmer the onion garlic broth in a pan with butter and salt",
    "astronomy": "the telescope shows a galaxy nebula orbit around a distant star",
    "football": "the striker scored a goal after the midfielder passed the ball",
    "python": "define a function that returns the sorted list of dictionary keys",
}
ROWS_PER_TOPIC = 60
DIM = 24


def planted_rows():
    """240 Alpaca rows, topic by topic, with a source and a quality column."""
    rng = np.random.default_rng(0)
    rows = []
    for topic, sentence in TOPICS.items():
        words = sentence.split()
        for number in range(ROWS_PER_TOPIC):
            rows.append(
                {
                    "instruction": " ".join(rng.permutation(words)) + f" {number}?",
                    "output": " ".join(rng.permutation(words)),
                    "source": topic,
                    "score": round(float(rng.uniform(0.1, 1)), 3),
                }
            )
    return rows


def planted_vectors(per_topic=ROWS_PER_TOPIC, seed=0):
    """Unit vectors in as many tight groups as there are topics."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(len(TOPICS), DIM))
    vectors = np.repeat(centers, per_topic, axis=0) + 0.25 * rng.normal(
        size=(per_topic * len(TOPICS), DIM)
    )
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def build_project(root, files):
    """A mapped project of the planted files, as the command line would make it."""
    from core.stages import run_stage

    run_stage("init", root, {"files": [str(files / "pool.jsonl")]})
    run_stage("embed", root, {"features": str(files / "features.npy")})
    run_stage("cluster", root, {"k": len(TOPICS)})
    run_stage("map", root, {})
    run_stage(
        "target",
        root,
        {
            "name": "cooking",
            "files": [str(files / "target.jsonl")],
            "features": str(files / "target.npy"),
        },
    )
    return root
