"""The record of a run or a training: its folder, the store, the recorder, its control."""
