"""The page Webcam, and live video wherever else it is shown."""
