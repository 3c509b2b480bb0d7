"""The one training loop, on pytorch-ignite: watch it, stop it, resume it, spread it over processes.

loop.py is what baselines call, engine.py what happens at each step and epoch. devices.py decides device, precision,
layout and processes, and nothing else does. batches.py cuts the data, checkpoints.py keeps the state, stops.py ends a
training that must not go on, watch.py and pictures.py show it, and inference.py predicts.
"""

from kit.training.batches import Batches
from kit.training.devices import autocast, available_devices, choose_device
from kit.training.inference import predict
from kit.training.loop import fit

__all__ = ["Batches", "autocast", "available_devices", "choose_device", "fit", "predict"]
