// Not every engine calls back for its frames, or paints any without a screen: startup is told alike in all, by `playing`.
delete HTMLVideoElement.prototype.requestVideoFrameCallback;
