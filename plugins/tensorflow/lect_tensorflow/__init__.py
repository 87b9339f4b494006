"""TensorFlow's checkpoints and TensorFlow Text's tokenizers as backbones for `lect`, without TensorFlow."""
