"""The page Webcam, and live video on other pages."""
