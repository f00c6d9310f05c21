#!/bin/sh
# Creates the RayJob and ends as it ends: 0 when the run finished. The CronJob counts it as running until then.
# The RayJob belongs to this Job, because KubeRay leaves ended ones where they are: it goes when the CronJob's history drops the Job.
set -u
owner="  ownerReferences: [{apiVersion: batch/v1, kind: Job, name: $JOB_NAME, uid: $JOB_UID}]"
job=$(awk -v owner="$owner" '{ print } /^metadata:$/ { print owner }' "$RAYJOB" | kubectl create -f - -o name) || exit 1
echo "created $job"
unanswered=0
while [ "$unanswered" -lt 30 ]; do
  sleep 10
  if ! state=$(kubectl get "$job" -o 'jsonpath={.status.jobDeploymentStatus} {.status.jobStatus}'); then
    unanswered=$((unanswered + 1))
    continue
  fi
  unanswered=0
  case $state in
    'Complete SUCCEEDED') echo "$job: $state"; exit 0 ;;
    Complete* | Failed* | ValidationFailed*) echo "$job: $state: $(kubectl get "$job" -o 'jsonpath={.status.message}')" >&2; exit 1 ;;
  esac
done
echo "$job cannot be seen any more" >&2
exit 1
