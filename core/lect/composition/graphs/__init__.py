"""CUDA graphs of a routed backbone's layers.

Of small batches a GPU is done sooner than the next kernel can be started. A CUDA graph holds all kernels of the layers
and starts them at once; but it computes with the shapes and the addresses that it was recorded with. So

- rows and lengths are filled up to a few sizes (`buckets`),
- what the layers are given, and each row's own weights, are copied to the same places before every replay (`layers`,
  `tables`): parts that differ in their weights alone (`kinds`) go through one recording, whichever they are,
- embeddings, masks and heads, which hang on the data in other ways, stay outside (`lect.composition.spans`).

What cannot be recorded goes through as without graphs, and is counted by why (`passes`).
"""
