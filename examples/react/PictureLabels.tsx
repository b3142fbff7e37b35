import { type LabelScore, ScoringClient } from "@tensorgate/web-client";
import { type ChangeEvent, useEffect, useMemo, useState } from "react";

export interface PictureLabelsProps {
  /** Where the gateway is. */
  readonly baseUrl: string;
  readonly model: string;
}

/** Labels of a picture that is chosen; choosing another ends the call for the one before. */
export function PictureLabels({ baseUrl, model }: PictureLabelsProps) {
  const client = useMemo(() => new ScoringClient({ baseUrl }), [baseUrl]);
  const [picture, setPicture] = useState<File>();
  const [labels, setLabels] = useState<readonly LabelScore[]>([]);
  const [failure, setFailure] = useState<string>();

  useEffect(() => () => client.close(), [client]);
  useEffect(() => {
    if (!picture) return;
    const controller = new AbortController();
    const { signal } = controller;
    client.classify(model, picture, { signal }).then(setLabels, (error: Error) => {
      if (!signal.aborted) setFailure(error.message);
    });
    return () => controller.abort();
  }, [client, model, picture]);

  const choose = ({ target }: ChangeEvent<HTMLInputElement>) => {
    setFailure(undefined);
    setLabels([]);
    setPicture(target.files?.[0]);
  };
  return (
    <div>
      <label>
        Picture <input type="file" accept="image/*" onChange={choose} />
      </label>
      {failure && <p role="alert">{failure}</p>}
      <ul>
        {labels.map(({ index, label, score }) => (
          <li key={index}>
            {label} <meter value={score} aria-label={`score of ${label}`} />
          </li>
        ))}
      </ul>
    </div>
  );
}
