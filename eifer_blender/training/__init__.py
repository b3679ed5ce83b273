"""Training of the bundled models; needs torch and onnx, and is not part of the extension."""
