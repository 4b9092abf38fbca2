"""What crosses a border: requests, answers, problems and bundle manifests. pydantic alone; imports nothing of ours."""
